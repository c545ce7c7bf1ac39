"""Memory and days of large recipes on accelerators, from prices that were fitted to another machine's steps."""

from collections.abc import Mapping
from typing import Any

from experiments.speed.page import origin
from tabulated import markdown
from training.chips import CHIPS

GIB = 2**30
DENSE = 0.5  # share of the peak that dense products are taken to reach
FREE = 0.9  # share of a device's memory that a step may hold
SINGLE = 4  # bytes of a number in the steps that the prices were fitted to
AGAIN = 4 / 3  # of the operations, where layers are computed again in the backward pass
BOXES = {  # what the table calls them: a chip of training/chips.py, and how many
    "256 x v5e": ("TPU v5 lite", 256),
    "64 x v5p": ("TPU v5", 64),
    "8 x H100": ("NVIDIA H100", 8),
    "8 x H200": ("NVIDIA H200", 8),
}
HEADER = ("recipe", "parameters", "steps", "rows", "tokens", "PFLOP/step")


def step_bytes(recipe: Mapping[str, Any], prices: Mapping[str, Any], rows: int) -> float:
    """Of a step on one device that holds the whole state and takes `rows` rows at a time.

    Activations have their price in float32, half of it in bfloat16. Where layers are computed again, what a layer
    hands on is kept of all of them, and everything else of one.
    """
    terms, of_net = recipe["terms"], prices["bytes"]["longformer" if recipe["model"] == "longformer" else "transformer"]
    layers, size = of_net["layers"], recipe["number_bytes"]
    numbers = rows * terms["activations"]
    everything = layers["activations"] * size / SINGLE
    held = numbers * (size + everything / recipe["depth"] if recipe["recomputed"] else everything)
    held += layers["parameters"] * terms["parameters"] + layers["logits"] * rows * terms["logits"]
    return max(held, of_net["update"]["parameters"] * terms["parameters"])


def most_rows(recipe: Mapping[str, Any], prices: Mapping[str, Any], memory: float) -> int:
    """Rows that a device with so many bytes can take at once; 0 = not one, with the whole state on it."""
    rows = 0
    while step_bytes(recipe, prices, 2 * rows or 1) <= FREE * memory and rows < recipe["rows"]:
        rows = min(2 * rows or 1, recipe["rows"])
    return rows


def run_seconds(recipe: Mapping[str, Any], prices: Mapping[str, Any], *, devices: int, peak: float) -> float:
    """Of the whole run, on as many devices as have a row of their own.

    Scores and weighted sums take as many times as long as dense products as they do where the prices come from; all
    that is not a product is left out.
    """
    terms, each = recipe["terms"], prices["seconds"]
    dense = sum(terms[name] * each[name] / each["products"] for name in ("products", "attention", "band"))
    again = AGAIN if recipe["recomputed"] else 1
    return recipe["steps"] * recipe["rows"] * dense * again / (min(devices, recipe["rows"]) * peak * DENSE)


def recipes_table(report: Mapping[str, Any]) -> str:
    """What each recipe takes of each box, with the rows that one device could hold; then what was compiled."""
    prices = report["prices"]
    header = (*HEADER, *BOXES)
    rows = [_line(recipe, prices) for recipe in report["recipes"]]
    of = {recipe["recipe"]: recipe for recipe in report["recipes"]}
    checks = [_check(of[name], prices, plan) for name, plan in report["compiled"].items()]
    told = f"{origin(report)}\n\n{markdown(header, rows)}"
    if not checks:
        return told
    columns = ("recipe", "compiled for", "rows of a device", "GiB", "told by the prices", "off")
    return f"{told}\n{markdown(columns, checks)}"


def _line(recipe: Mapping[str, Any], prices: Mapping[str, Any]) -> tuple[str, ...]:
    operations = sum(recipe["terms"][name] for name in ("products", "attention", "band")) * recipe["rows"]
    boxes = []
    for kind, devices in BOXES.values():
        chip = CHIPS[kind]
        hours = run_seconds(recipe, prices, devices=devices, peak=chip.flops) / 3600
        boxes.append(f"{_duration(hours)} ({most_rows(recipe, prices, chip.memory) or '-'})")
    return (
        f"`{recipe['recipe']}`", f"{recipe['terms']['parameters'] / 1e6:,.1f} M", f"{recipe['steps']:,}",
        f"{recipe['rows']:,}", f"{recipe['length']:,}", f"{operations / 1e15:.3g}", *boxes,
    )  # fmt: skip


def _duration(hours: float) -> str:
    if hours < 1:
        return f"{60 * hours:.1f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} d"


def _check(recipe: Mapping[str, Any], prices: Mapping[str, Any], plan: Mapping[str, Any]) -> tuple[str, ...]:
    told = step_bytes(recipe, prices, plan["rows"])
    return (
        f"`{recipe['recipe']}`", f"{plan['topology']}, one of {plan['devices']} x {plan['kind']}", str(plan["rows"]),
        f"{plan['bytes'] / GIB:.2f}", f"{told / GIB:.2f}", f"{told / plan['bytes'] - 1:+.0%}",
    )  # fmt: skip
