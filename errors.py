"""The one exception that means: what the user gave cannot be used."""


class InputError(ValueError):
    """Bad input, told in one sentence: the file, line or key at fault and what to do about it.

    `train.py` prints the sentence and exits with status 2; a traceback would only hide it. Anything else that is raised
    is a defect of ours and keeps its traceback.
    """
