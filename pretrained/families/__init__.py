"""One file for each family of published models: what it calls its sizes and its weights."""

from pretrained.families.albert import ALBERT
from pretrained.families.bart import BART, LED
from pretrained.families.bert import BERT
from pretrained.families.distilbert import DISTILBERT
from pretrained.families.gpt2 import GPT2
from pretrained.families.modernbert import MODERNBERT
from pretrained.families.roberta import LONGFORMER, ROBERTA
from pretrained.families.t5 import T5, T5_GATED

FAMILIES = {
    family.name: family
    for family in (BERT, ROBERTA, DISTILBERT, ALBERT, MODERNBERT, LONGFORMER, GPT2, T5, T5_GATED, BART, LED)
}

__all__ = ["FAMILIES"]
