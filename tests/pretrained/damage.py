"""Ways in which a file's bytes go wrong; each is told a source of chance and the bytes."""


def _put(content, at, what):
    return (content[:at] + what + content[at + len(what) :])[: len(content)]


def _digit(draw, content):
    at = draw.choice([at for at, byte in enumerate(content[:4000]) if chr(byte).isdigit()])
    return content[:at] + str(draw.randrange(10)).encode() + content[at + 1 :]


WAYS = {
    "flip": lambda draw, content: _put(content, draw.randrange(len(content)), bytes([draw.randrange(256)])),
    "zero": lambda draw, content: _put(content, draw.randrange(len(content)), bytes(draw.randrange(1, 64))),
    "noise": lambda draw, content: _put(content, draw.randrange(len(content)), draw.randbytes(draw.randrange(1, 64))),
    "cut": lambda draw, content: content[: draw.randrange(len(content))],
    "empty": lambda draw, content: b"",
    "longer": lambda draw, content: content + draw.randbytes(draw.randrange(1, 64)),
    "digit": _digit,
}
