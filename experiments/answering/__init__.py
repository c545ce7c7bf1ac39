"""What small nets from nothing answer: QAMR's sentences, SQuAD's paragraphs, long articles in windows and whole."""
