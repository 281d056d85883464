"""The tokenizer of the toybox model: byte-level BPE with the special tokens and pre-tokenization of Qwen."""

from collections.abc import Iterator
from random import Random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from reranker.models.scoring.prompts import LYCHEE, RATING
from reranker.toybox.captions import ENGLISH_NAMES, LANGUAGES, vocabulary, write_caption
from reranker.toybox.examples import training_example

# Ids follow this order, from 0. The chat and vision tokens are Qwen2.5-VL's.
SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
SINGLE_TOKENS = ("yes", "no", "Score")
VOCABULARY_SIZE = 1024
# The pattern of Qwen2: contractions, words with the character before them, digits, punctuation, line ends, spaces.
SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def corpus(seed: int = 0, captions: int = 4000) -> Iterator[str]:
    """The texts to learn merges from. Chinese comes as single words, so that no token spans two of them."""
    rng = Random(seed)
    prompts = [layout.fill("") for layout in (LYCHEE, RATING)]
    for _ in range(200):
        yield from vocabulary()
        yield from SINGLE_TOKENS
        yield from prompts
        yield from (f" {name}s" for names in ENGLISH_NAMES.values() for name in names)
    for _ in range(captions):
        text = write_caption(training_example(rng).request, rng.choice(LANGUAGES), rng).text
        if not _is_chinese(text):
            yield text


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Train the tokenizer on `corpus`; the result is always the same."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(SPECIAL_TOKENS[1:]),
        chat_template=CHAT_TEMPLATE,
    )
