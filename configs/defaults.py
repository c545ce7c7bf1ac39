"""Every configuration key, once, with its meaning and unit. Recipes change values; nothing but this file adds keys.

A recipe calls `get_config()`, overrides, and returns the config locked, so that a misspelt key raises instead of being
ignored. Tuples are used for lists, since they can be given on the command line: `--config.model.windows='(64, 128)'`.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """The defaults: a small RoBERTa-style Longformer pretrained on the standard library of the running Python."""
    config = ConfigDict()
    config.mode = "train"  # train | evaluate | predict | talk (answers each line of standard input)
    #                        | export (in transformers' format) | plan (what training needs)
    config.task = "masked_lm"  # one of those of tasks/__init__.py, such as causal_lm, classification or translation
    config.workdir = "runs/default"  # directory that holds everything the run writes
    config.init_from = ""  # directory of first weights and tokenizer: a run's, or in transformers' format; "" = none
    config.seed = 0  # decides initial weights, data order, masks and dropout
    config.compilation_cache = "~/.cache/flaxformers/xla"  # JAX's persistent compilation cache; "" = none
    config.keep_pages = True  # on a Linux CPU, freed memory stays with the process: faster steps, more memory held

    config.model = _model()
    config.tokenizer = _tokenizer()
    config.data = _data()
    config.masking = _masking()
    config.optimizer = _optimizer()
    config.train = _train()
    config.evaluation = _evaluation()
    config.prediction = _prediction()
    config.decoding = _decoding()
    config.checkpoint = _checkpoint()
    config.mesh = _mesh()
    config.cluster = _cluster()
    config.log = _log()
    config.plan = _plan()
    return config.lock()


def _model() -> ConfigDict:
    model = ConfigDict()
    model.from_init = False  # kind, sizes, positions, norms and windows of the net are those of init_from
    model.name = "longformer"  # transformer | longformer | alternating (windows, 0 = sees all: ModernBERT)
    model.vocab_size = 0  # V, rows of the table of words; more than the tokenizer has entries: spare; 0 = as many
    model.width = 128  # D, size of a token's vector
    model.depth = 4  # number of layers
    model.heads = 4  # H, attention heads; width must be a multiple
    model.mlp_width = 512  # F, hidden size of the feed-forward part
    model.key_width = 0  # K, size of a token's key in one head; 0 = width / heads
    model.word_vectors = ""  # GloVe or fastText file that words start from (masked_lm, texts told by one vector)
    model.embedding_width = 0  # size of a token in the tables of words, places and types; 0 = width (ALBERT: 128)
    model.layer_order = ()  # which distinct layer comes at each turn, (0, 0, 0, 0) = one shared; () = each once
    model.decoder_depth = 0  # layers of a decoder that writes what the net has read; 0 = none
    model.decoder_heads = 0  # H of the decoder; 0 = heads
    model.decoder_mlp_width = 0  # F of the decoder; 0 = mlp_width
    model.decoder_max_positions = 0  # longest text that its learned positions can number, tokens; 0 = max_positions
    model.decoder_start = "cls"  # special token before what is written: cls | sep (BART) | pad (T5)
    model.tied_output = True  # the last matrix of a net with a decoder is the table of words
    model.scaled_output = False  # its last hidden state is divided by sqrt(width) before (T5 1.0)
    model.output_bias = False  # it has a number for each word (BART)
    model.positions = "learned"  # learned | sinusoidal | rotary | relative (transformer)
    model.max_positions = 1024  # longest sequence that learned positions can number, tokens
    model.padding_place = -1  # place of padding, real tokens counted from the next (RoBERTa: 1); -1 = places of the row
    model.counted_places = True  # with a padding_place: places count real tokens only; BART counts padding too
    model.rotary_base = 10_000.0  # rotary positions: the longest wavelength is 2 pi times it, tokens
    model.window_rotary_base = 10_000.0  # likewise in the layers with a window (alternating)
    model.relative_buckets = 32  # relative positions: numbers for each head
    model.relative_distance = 128  # tokens; pairs farther apart share a number
    model.norm = "post"  # post (BERT, RoBERTa) | pre
    model.norm_kind = "layer"  # layer | rms (no mean, no bias: T5)
    model.embedding_norm = False  # pre-norm nets: norm the embeddings, in place of the first attention's (ModernBERT)
    model.biases = True  # of maps and norms
    model.scaled_words = False  # words are multiplied by sqrt(width) before places are added
    model.scaled_scores = True  # attention scores are divided by sqrt(K); T5's are not
    model.activation = "gelu"  # gelu | gelu_tanh | relu | geglu | geglu_tanh
    model.token_types = 0  # number of token types (BERT has 2); 0 = no such embedding
    model.pooling = "first"  # whose vector a text is told by: first | last (token) | mean (not masked_lm)
    model.classifier = ""  # before a classifier's last map: tanh | relu (DistilBERT) | transform (ModernBERT) | plain
    #                        (nothing: GPT-2); "" = the net's own (not matching)
    model.interaction = "none"  # nli: products and differences of two texts' vectors stand beside them (matching)
    model.mention_tokens = 30  # L, tokens of the longest mention that is looked for (coreference)
    model.mentions_kept = 0.4  # mentions that are linked for each token, the likeliest (coreference)
    model.mention_width = 0  # E, size of what is said of a mention's end; 0 = width (coreference)
    model.dropout_rate = 0.1  # on embeddings and on each residual branch
    model.attention_dropout_rate = 0.1  # on attention probabilities
    model.norm_epsilon = 1e-5  # added to the variance in layer normalisation
    model.dtype = "float32"  # float32 | bfloat16: type of the computation; parameters stay float32
    model.remat = "none"  # what the backward pass computes again: none | dots (all but matrix products) | full (layers)
    model.scan = False  # layers alike are compiled once, as a loop: compile time hardly grows with depth
    model.lora_rank = 0  # rank of the low-rank adaptations (LoRA); 0 = none
    model.lora_alpha = 16.0  # they are multiplied by lora_alpha / lora_rank
    model.lora_maps = ("query", "value", "query_global", "value_global")  # the maps of each layer that are adapted
    model.windows = (64,)  # W, tokens seen on each side, bottom layer first; one for all (longformer, alternating)
    model.dilations = (1,)  # tokens from one seen key to the next, likewise; 1 = no gaps (longformer)
    model.causal = False  # a token sees none after it
    model.implementation = "auto"  # program of the windows: auto | those of ops/backends.py (longformer, alternating)
    model.max_global_tokens = 1  # G, most global tokens an example may have (longformer)
    return model


def _tokenizer() -> ConfigDict:
    tokenizer = ConfigDict()
    tokenizer.path = ""  # a file or a directory that data/tokenizer.py's `load` reads; "" = train
    tokenizer.kind = "byte_bpe"  # byte_bpe | wordpiece | unigram: what is trained when there is no path
    tokenizer.vocab_size = 8192  # V, entries to train, special tokens included
    tokenizer.train_characters = 20_000_000  # at most this much of the training text is used to train it, characters
    return tokenizer


def _data() -> ConfigDict:
    data = ConfigDict()
    data.source = "stdlib"  # stdlib (the running Python's standard library) | files | tfds
    data.name = ""  # TFDS name, such as "glue/sst2" (tfds)
    data.directory = ""  # TFDS data directory; "" = TFDS's own default (tfds)
    data.prepare = False  # download and prepare a data set that is not in the directory yet (tfds)
    data.train = "train"  # path, directory or glob (files), or split (stdlib, tfds); mode=evaluate needs it for the
    #                       baseline beside the scores alone: "" = none
    data.mixture = ()  # ((place like data.train, weight), ...): rows drawn in these shares instead (masked_lm)
    data.validation = "validation"  # likewise
    data.test = ""  # likewise; "" = there is none
    data.documents = "file"  # what is one document of a .txt file: file | paragraph | line
    data.text = "text"  # field that holds the text (question_answering: the document)
    data.text_pair = ""  # field that holds the second text of a pair (the question); "" = single texts
    data.target = ""  # field that holds the text to write (translation, summarisation)
    data.references = ()  # fields that hold texts which would be right, where there are several; () = target; the
    #                       first stands for the target in a split that has none (not train), and it for all of them
    data.prefix = ""  # stands before each text to read, such as "summarize: " (translation, summarisation)
    data.choices = ""  # field that holds the answers to choose from (multiple_choice, candidates)
    data.blank = ""  # where a question has this, a choice stands in its place; "" = after it (multiple_choice)
    data.label = "label"  # field that holds the class, or the number (regression)
    data.hypothesis = "This text is about {}."  # what a text may entail; {} = the name of a class (zero_shot)
    data.classes = ()  # names of the classes, in the order of their ids; () = those of the training split, sorted
    data.outside = ""  # class of the texts that belong to none of the others; "" = there is none (classification)
    data.columns = ()  # names of the columns of a .csv, .tsv or .conll file; () = the first line tells them
    data.max_bytes = 0  # at most this much of the standard library is used; 0 = all (stdlib)
    data.length = 512  # S, tokens in a row (masked_lm, semantic_roles) or where a text is cut (classification)
    data.target_length = 128  # T, tokens at which a text to write is cut (translation, summarisation)
    data.length_groups = 0  # this many batches at a time are sorted by length, so that little is padded; 0 = none
    data.buckets = ()  # shorter lengths a batch may be padded to; each compiles once (not rows of plain text)
    data.packing = "full_sentences"  # full_sentences (rows of whole sentences) | stream (rows cut anywhere)
    data.cross_documents = False  # attention crosses the documents packed into a row, as in RoBERTa
    data.question_length = 64  # tokens at which a question is cut; such are counted and told (question_answering)
    data.stride = 128  # tokens of a document that one window of it shares with the next (question_answering)
    data.empty_windows = 1.0  # share trained on of the windows without their question's answer (question_answering)
    data.misplaced_answers = "refuse"  # answers not at their start: refuse | nearest (moved there, and counted)
    data.mark_overlap = False  # token type 2 marks a document's words that the question has too (question_answering)
    data.global_tokens = "first"  # tokens with global attention: none | first | question (and first) (longformer)
    data.cache = ""  # directory that keeps tokenised rows between runs; "" = inside the work directory
    data.read_ahead = 4  # batches prepared ahead of the training step; 0 = in the training loop
    return data


def _masking() -> ConfigDict:
    masking = ConfigDict()
    masking.rate = 0.15  # share of tokens to predict
    masking.mean_span = 3.0  # tokens hidden together, on average (span_corruption, denoising)
    masking.permute_sentences = True  # they change places before tokens are hidden (denoising)
    masking.unigram_bias = False  # the output bias starts at the training tokens' log frequencies: a quicker start
    masking.inputs = 0.0  # share of a training text's tokens hidden from it (tasks of whole texts but matching)
    masking.whole_words = False  # mask all pieces of a word together
    return masking


def _optimizer() -> ConfigDict:
    optimizer = ConfigDict()
    optimizer.name = "adamw"  # adamw | adafactor | lion | muon (kernels; AdamW on the rest)
    optimizer.learning_rate = 1e-3  # at the end of the warm-up
    optimizer.schedule = "linear"  # after the warm-up: linear, cubic or cosine (to zero) | constant | rsqrt
    optimizer.warmup_steps = 100  # optimizer steps from zero to the learning rate
    optimizer.beta1 = 0.9  # decay of the mean of gradients (adamw); share of that mean in a step (lion)
    optimizer.beta2 = 0.98  # decay of the mean of squared gradients (RoBERTa: 0.98); of the mean of gradients (lion)
    optimizer.epsilon = 1e-6  # added to the root of the mean of squares (adamw)
    optimizer.weight_decay = 0.01  # decoupled, times the learning rate; not on biases and norms
    optimizer.clip_norm = 1.0  # largest global norm of the gradient; 0 = no clipping
    optimizer.layer_decay = 1.0  # factor of the learning rate from each layer to the one below; 1 = none; the head: 1
    optimizer.rules = ()  # (regular expression of whole parameter paths, {"learning_rate": factor, 0 = frozen,
    #                        "weight_decay": its own}) pairs; the first that matches a parameter decides
    optimizer.ema = 0.0  # decay per step of the average of the weights that is evaluated; 0 = no average
    return optimizer


def _train() -> ConfigDict:
    train = ConfigDict()
    train.steps = 1000  # optimizer steps; more may be given to a run whose schedule is constant or rsqrt: it goes on
    train.batch_size = 8  # examples in one optimizer step, over all devices and micro-batches
    train.accumulation = 1  # micro-batches that one optimizer step adds up
    train.max_skipped = 10  # steps left out in a row, for a loss or gradient not finite or a spike, that end the run
    train.spike_factor = 0.0  # a step is left out if its loss is above this many running means (100 steps); 0 = off
    train.label_smoothing = 0.0  # share of the target spread evenly over the vocabulary (tasks that write)
    train.loss_chunk = 0  # places to predict whose logits exist at one time, over all devices; 0 = all (*_lm, writing)
    return train


def _evaluation() -> ConfigDict:
    evaluation = ConfigDict()
    evaluation.every = 100  # optimizer steps between evaluations while training; the last step is always evaluated
    evaluation.batch_size = 8  # examples
    evaluation.batches = 0  # evaluate on at most this many batches, from all over the split; 0 = all
    evaluation.graded = False  # whole answers are scored (BLEU, ...) while training too; mode=evaluate always does it
    evaluation.stride = 0  # tokens from one row to the next; those seen before are context alone; 0 = a row (causal_lm)
    evaluation.outside_threshold = False  # below a probability that validation decides, data.outside is answered
    evaluation.split = "validation"  # split that mode=evaluate scores: train | validation | test
    return evaluation


def _prediction() -> ConfigDict:
    prediction = ConfigDict()
    prediction.split = "test"  # split that mode=predict answers: train | validation | test
    prediction.output = ""  # JSON-lines file to write; "" = predictions.jsonl in the work directory
    prediction.top = 5  # answers given for each blank (masked_lm) or question (question_answering)
    prediction.prompts = ()  # texts that are gone on with at the end of causal_lm training for a person to read
    prediction.max_answer = 30  # longest answer looked for, tokens (question_answering)
    prediction.no_answer_threshold = "validation"  # a question whose chance to have no answer is above it gets none:
    #                                                a number | validation (the one of the best F1 there)
    prediction.support_threshold = 0.5  # sentences with a greater probability support the answer (multi_hop)
    prediction.document = ""  # file of the text that the questions of mode=talk are about
    prediction.blanks = ()  # texts with <mask> in them, filled in at the end of masked_lm training for a person to read
    return prediction


def _decoding() -> ConfigDict:
    """The names and meanings are transformers' own."""
    decoding = ConfigDict()
    decoding.max_new_tokens = 0  # most tokens that are written; 0 = as many as the task has room for
    decoding.min_new_tokens = 0  # a text does not end before
    decoding.do_sample = False  # tokens are drawn; else the likeliest is taken, or searched for by beams
    decoding.temperature = 1.0  # logits are divided by it (do_sample)
    decoding.top_k = 0  # so many likeliest tokens may come; 0 = all (do_sample)
    decoding.top_p = 1.0  # the fewest that together have this probability may (do_sample)
    decoding.min_p = 0.0  # those at least so many times as likely as the likeliest may (do_sample)
    decoding.num_beams = 1  # texts followed at a time; 1 = no search
    decoding.length_penalty = 1.0  # a sum of log probabilities is divided by its length to this power (num_beams > 1)
    decoding.early_stopping = "no"  # the search ends when nothing running is better (no), at once (yes), or never could
    decoding.num_return_sequences = 1  # texts for each, of the best beams or drawn
    decoding.repetition_penalty = 1.0  # above 1: what stands in the text becomes less likely
    decoding.no_repeat_ngram_size = 0  # no run of so many tokens comes twice; 0 = may
    decoding.prompt_lookup_num_tokens = 0  # proposed from what stands there: the same text, perhaps in fewer steps
    return decoding


def _checkpoint() -> ConfigDict:
    checkpoint = ConfigDict()
    checkpoint.every = 100  # optimizer steps between checkpoints; the last step is always saved
    checkpoint.keep = 2  # newest checkpoints that are kept, beside the best one; 2 or more survive a damaged newest
    checkpoint.verify = True  # check what is read against its digests: 0.05 s for 100 M float32 on two cores
    checkpoint.best = "loss"  # validation score that decides the best, one of the task's: loss | accuracy | f1 | ...
    return checkpoint


def _mesh() -> ConfigDict:
    mesh = ConfigDict()
    mesh.data = -1  # devices that share the examples of a batch, each with all parameters; -1 = all that are left
    mesh.fsdp = 1  # devices that share the examples and also the parameters and optimizer state (fully sharded)
    mesh.tensor = 1  # devices that share the heads and the feed-forward width
    mesh.sequence = 1  # devices that share the tokens of each row
    return mesh


def _cluster() -> ConfigDict:
    cluster = ConfigDict()
    cluster.address = ""  # "" = one process; "auto" = as SLURM, GKE or a TPU slice tells; else host:port of process 0
    cluster.processes = 1  # how many there are (where an address is given)
    cluster.process = 0  # which of them this is, 0 = the first (likewise)
    cluster.timeout = 300  # seconds to wait for all of them
    return cluster


def _log() -> ConfigDict:
    log = ConfigDict()
    log.every = 10  # optimizer steps between lines of metrics.jsonl
    log.norms = False  # norms of gradient and update by layer in each line, means over its steps
    log.profile = ()  # first and last optimizer step of a profiler trace, such as (20, 24); () = none
    log.progress = True  # progress bar
    log.tensorboard = True  # event files in the work directory
    log.plot = True  # loss curve as a PNG in the work directory
    log.wandb = ""  # Weights & Biases project; "" = none
    return log


def _plan() -> ConfigDict:
    plan = ConfigDict()
    plan.topology = ""  # TPU slice to compile for, such as "v5e:2x4" (needs libtpu); "" = the devices that are here
    plan.memory_gib = 0.0  # memory of one device, GiB; 0 = what it tells, or its data sheet says
    plan.tflops = 0.0  # rate of one device, TFLOP/s; 0 = its bfloat16 peak, or of a processor what a product reaches
    return plan
