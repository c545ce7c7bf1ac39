"""What config.json says of heads, and what heads say of themselves there."""

from collections.abc import Callable, Mapping
from typing import Any

from errors import InputError
from models.heads import SpanFinder, TokenClassifier
from pretrained import settings
from pretrained.family import Head

Options = Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]


def rate(config: Mapping[str, Any], *names: str) -> float:
    """The first of those dropout rates that is there and not null."""
    value = next((config[name] for name in names if config.get(name) is not None), 0.0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise InputError(f"config.json: {names[0]} must be a number of at least 0 and below 1, got {value!r}")
    return float(value)


def _count(config: Mapping[str, Any]) -> int:
    """Of classes: as many as have names, else the number that older files tell, else two."""
    if "id2label" not in config:
        count = settings.number({"num_labels": 2} | config, "num_labels")
        if not 1 <= count < 2**31:
            raise InputError(f"config.json: num_labels must be at least 1, got {count}")
        return count
    names = config["id2label"]
    if not isinstance(names, dict) or not names:
        raise InputError(f"config.json: id2label must name the classes, got {names!r}")
    return len(names)


def classes(*rates: str, **fixed: Any) -> Options:
    """Options of a head that tells classes: how many, and the dropout before them, from the first of `rates` there."""

    def options(config: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
        return {"classes": _count(config), "dropout_rate": rate(config, *rates)} | fixed

    return options


def labels(rate_name: str = "classifier_dropout", **more: Any) -> Callable[[Any], dict[str, Any]]:
    """What `classes` reads."""

    def told(model: Any) -> dict[str, Any]:
        head = getattr(model, "head", model)
        names = {str(number): f"LABEL_{number}" for number in range(head.output.kernel.shape[-1])}
        found = {"id2label": names, "label2id": {name: int(number) for number, name in names.items()}}
        return found | ({rate_name: head.rate} if rate_name else {}) | more

    return told


def token_heads(name: str, *rates: str, rate_name: str = "classifier_dropout") -> dict[str, Head]:
    """Classes of tokens and answers in a text, as BERT's architectures have them and most others took over."""
    return {
        f"{name}ForTokenClassification": Head(
            TokenClassifier, {"output": "classifier"}, options=classes(*rates), told=labels(rate_name)
        ),
        f"{name}ForQuestionAnswering": Head(SpanFinder, {"output": "qa_outputs"}),
    }
