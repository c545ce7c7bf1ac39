"""Beam search as one would tell it, over Python lists."""


def beam_search(log_probabilities, prompt, *, num_beams, most, ends, length_penalty=1.0, early_stopping=False):
    """[(score, tokens)] of the finished texts, best first."""
    running, finished = [(0.0, [])], []
    for length in range(1, most + 1):
        grown = [
            (score + float(step), [*text, token])
            for score, text in running
            for token, step in enumerate(log_probabilities([*prompt, *text]))
        ]
        best = sorted(grown, reverse=True)[: max(2, 1 + len(ends)) * num_beams]
        ended = [length == most or text[-1] in ends for _, text in best]
        finished += [
            (score / length**length_penalty, text)
            for (score, text), end in list(zip(best, ended, strict=True))[:num_beams]
            if end
        ]
        finished = sorted(finished, reverse=True)[:num_beams]
        running = [one for one, end in zip(best, ended, strict=True) if not end][:num_beams]
        if len(finished) == num_beams and running:
            reach = most if early_stopping == "never" and length_penalty > 0 else length
            if early_stopping is True or running[0][0] / reach**length_penalty <= finished[-1][0]:
                break
    return finished
