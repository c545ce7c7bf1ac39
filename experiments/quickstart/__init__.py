"""Does the quickstart still learn what it learnt? A record cheap enough to be measured again at every change."""
