"""Real tokenizers, trained in a moment on a made text: the families that models have, with their habits at a seam."""

import random

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

TEXT = (
    "the red fox sees a tree in New York City; it's an answer, naïve café owners (U.S.A.) paid $3.50 for 1,000 "
    "reddish foxes. Question: what colour is the fox? Answer: A B C D Ångström 東京 are far away\tand \U0001f98a runs"
)
WORDS = TEXT.split(" ")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FAMILIES = ("byte_bpe", "sentencepiece_bpe", "unigram", "wordpiece", "words")


def corpus(lines: int = 400) -> list[str]:
    draw = random.Random(3)
    return [
        " ".join(draw.choices(WORDS, k=draw.randint(3, 30))) + draw.choice(["", "\n", "\n\n"]) for _ in range(lines)
    ]


def make(family: str) -> PreTrainedTokenizerBase:
    """A tokenizer of one family, trained on `corpus`."""
    inner, named = {
        "byte_bpe": _byte_bpe, "sentencepiece_bpe": _sentencepiece_bpe, "unigram": _unigram, "wordpiece": _wordpiece,
        "words": _words,
    }[family]()  # fmt: skip
    return PreTrainedTokenizerFast(tokenizer_object=inner, **named)


def _byte_bpe() -> tuple[Tokenizer, dict]:
    """As GPT-2 and SmolLM2: bytes, a space belongs to its word, nothing is added."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=310, initial_alphabet=alphabet, special_tokens=["<|end|>"], show_progress=False
    )
    inner.train_from_iterator(corpus(), trainer)
    return inner, {"eos_token": "<|end|>"}


def _sentencepiece_bpe() -> tuple[Tokenizer, dict]:
    """As Llama 2: a mark in front of the whole text, merges over spaces possible, a first token, bytes for the rest."""
    inner = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=350, special_tokens=special, show_progress=False)
    inner.train_from_iterator([word for line in corpus(60) for word in line.split("\n")[0].split(" ")], trainer)
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return inner, {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}


def _unigram() -> tuple[Tokenizer, dict]:
    """As T5 and XLNet: a mark in front of every word, the likeliest pieces, an end token."""
    inner = Tokenizer(models.Unigram())
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    inner.decoder = decoders.Metaspace(prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=95, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False
    )
    inner.train_from_iterator(corpus(), trainer)
    inner.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", inner.token_to_id("</s>"))]
    )
    return inner, {"unk_token": "<unk>", "eos_token": "</s>"}


def _wordpiece() -> tuple[Tokenizer, dict]:
    """As BERT: lower case, accents off, no spaces kept, segments marked."""
    inner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=115, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False
    )
    inner.train_from_iterator(corpus(), trainer)
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return inner, {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}


def _words() -> tuple[Tokenizer, dict]:
    """One token a word, parted at white space: what a person would count."""
    inner = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return inner, {"unk_token": "<unk>"}
