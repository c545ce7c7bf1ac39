"""Scores over a split, and answers to batches."""

import jax
import jax.numpy as jnp
import numpy as np

from errors import InputError
from tasks.task import Answer, Batch
from training.cluster import leader_first
from training.mesh import batch_ways, put_batch, put_whole, settled
from training.notice import Notice
from training.run import Run, device_part
from training.step import make_answer, make_evaluate


class BrokenOffError(Exception):
    """A notice came while answers were asked for."""


class Evaluation:
    """`evaluation(parameters, split)`: scores over one pass, compiled once; whole answers graded too where asked."""

    def __init__(self, run: Run, *, graded: bool):
        self._run, self._graded = run, graded and run.task.graded_names
        self._totals_of = make_evaluate(run.task, run.skeleton, mesh=run.mesh)
        self._answers_of = make_answer(run.task, run.skeleton, mesh=run.mesh)

    def __call__(self, params, split: str, *, notice: Notice | None = None) -> dict[str, float]:
        """Every example once; no score if `notice` came before the end."""
        run, totals = self._run, None
        with leader_first(f"{split} data"):
            batches = run.task.evaluation_batches(split)
        for host_batch in batches:
            batch = put_batch(device_part(run.task, host_batch), run.mesh)
            part = settled(self._totals_of(params, batch), run.mesh)
            totals = part if totals is None else jax.tree.map(jnp.add, totals, part)
            if notice and notice.interrupts():
                return {}
        if totals is None or not float(jax.device_get(totals["weight"])):
            raise InputError(f"the {split} split has no example to evaluate, or none with a label")
        scores = run.task.scores(jax.device_get(totals))
        try:
            return scores | (run.task.graded(self.answerer(params, notice=notice), split) if self._graded else {})
        except BrokenOffError:
            return {}

    def answerer(self, params, *, notice: Notice | None = None) -> Answer:
        """`answer(host batch) -> answers on the host`; of any number of rows.

        Raises:
          BrokenOffError: by `answer`, once `notice` has come.
        """
        run, answers_of = self._run, self._answers_of(params)

        def answer(batch: Batch) -> dict[str, np.ndarray]:
            if notice and notice.interrupts():
                raise BrokenOffError
            rows, ways = len(next(iter(batch.values()))), batch_ways(run.mesh)
            each = np.minimum(np.arange(-(-rows // ways) * ways), rows - 1)  # copies of the last go to idle devices
            whole = {name: array[each] for name, array in device_part(run.task, batch).items()}
            found = jax.device_get(answers_of(put_whole(whole, run.mesh)))
            return {name: array[:rows] for name, array in found.items()}

        return answer
