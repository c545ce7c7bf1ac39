"""What is told of weights that do not fit the model that is to have them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from errors import InputError
from training.state import transfer
from training.weights import Given, check_complete

TABLE = "encoder.embeddings.word.embedding"


def table(rows):
    return {TABLE: np.zeros((rows, 8), np.float32)}


def test_a_finished_model_of_other_sizes_is_named_by_its_own_directory():
    given, task = Given(table(400), 6, Path("runs/mine")), SimpleNamespace(classes=(), classes_of=lambda directory: ())
    told = rf"^runs/mine holds a model of other sizes: {TABLE} has shape \(400, 8\) there and \(500, 8\) here"
    with pytest.raises(InputError, match=told):
        check_complete(given, SimpleNamespace(shapes=table(500)), task)


def test_weights_that_lack_a_parameter_of_the_encoder_are_named_by_where_they_are_from():
    with pytest.raises(InputError, match=r"^init_from=there holds another model: it lacks 1 parameters"):
        transfer({}, table(4), name="init_from=there")
