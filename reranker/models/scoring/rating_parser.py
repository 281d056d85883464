"""Parse the rating in an answer to the rating prompt, in many wordings of English and Chinese.

The text is normalized first: half-width, lower case, no markup, numerals as digits, "out of 10" as "/10". Scales
("0-10", "满分10分") and numbers that are names ("image 2:") are removed, and the maximum of the scale is kept. A range
is replaced by its middle. Then patterns are tried, from the most to the least specific. The first one that matches
decides, by its last match, because models reason before they answer:

1. labelled: "Score: 8.5", "评分为8.5"
2. alone on a line, or the whole text: "8.5", "**8/10**"
3. after a label and more words of the sentence: "The score that I would settle on is 8."
4. after a verb: "I'd rate this picture an 8", "我给8分"
5. after a less specific label: "Relevance: 8", "答案：8"
6. out of 5, 10 or 100: "8/10", "85%", "4 stars"
7. in points: "这张图8分很合适"
8. at the start of the text, with a decimal: "8.5 The picture shows a dog."
9. without any of these, if it is the only such number: "It fits very well: 9."

From 3 on, a number before the things that it counts is not a rating: "There are 3 people." has none. If a pattern
certainly matches a rating, a number outside the scale is clipped to the scale; otherwise it is ignored.
"""

import re
import unicodedata
from dataclasses import dataclass

HIGHEST = 10.0


def _one_of(words: str) -> str:
    """Return a pattern for any of these words; English ones match complete words only."""
    alternatives = sorted(words.split(), key=len, reverse=True)
    english = "|".join(word for word in alternatives if word.isascii())
    chinese = "".join(f"|{word}" for word in alternatives if not word.isascii())
    return f"(?:(?<![a-z])(?:{english})(?![a-z]){chinese})"


# Every repetition in a pattern is bounded or possessive ("++", "?+"). Hence 8.5m never matches as 8, and the time grows
# linearly with the length of the text.

# Normalization.

_FRACTIONS = str.maketrans({"½": ".5", "¼": ".25", "¾": ".75", "🔟": "10"})
_PAUSE = re.compile(r"(?<=[0-9])，")  # after a half-width digit, a Chinese comma is not a decimal sign
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_EQUIVALENT = str.maketrans(
    "–−‐‑⁄∕〜數評滿給為關點總兩两〇圖結對達應約",
    "----//~数评满给为关点总二二零图结对达应约",
    "*`\u200b\u200c\u200d\u2060\ufeff\ufe0e\ufe0f\u20e3",
)
_MARKUP = (
    (re.compile(r"<\|[^|<>\n]{1,40}\|>|</[a-z]{1,20}>"), "\n"),
    (re.compile(r"<([a-z]{1,20})>"), r"\1: "),
    (re.compile(r"\[(0(?:\.0)?), ?(10(?:\.0)?)\]"), r"\1-\2"),
    (re.compile(r"\\[a-z]{1,20}|[]\"“”「」『』【】[{}<>_$|\\]"), " "),
    (re.compile(r"\.{2,}+"), "…"),
    (re.compile(r"[^\S\n]+"), " "),
)

_POINTS = r"分(?!之(?!间)|[0-9钟类成为开天熟球裤])"  # not minutes, parts, kinds
_CHINESE_DIGITS = "零一二三四五六七八九"
_CHINESE_UNITS = {"十": 10, "百": 100}
_NUMERAL = f"[{_CHINESE_DIGITS}{''.join(_CHINESE_UNITS)}]"
_CHINESE_NUMBER = re.compile(
    rf"({_NUMERAL}{{1,7}}+)(?:点([{_CHINESE_DIGITS}]{{1,3}}+))?+"
    rf"(?=\Z|\W|[到至或]|颗?星|(?<!十){_POINTS}|分(?:\Z|\W|吧))"  # 十分 also means "very"
)
_ENGLISH_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_WORD = f"(?:{'|'.join(_ENGLISH_DIGITS)})"
_PRONOUN = r"(?:one(?= (?!point|out of|because))|(?<=[a-z] )(?<!\bis )(?<!\ba )one)"
_ENGLISH_NUMBER = re.compile(rf"(?<![a-z-])(?!{_PRONOUN})({_WORD})(?: point((?: {_WORD}){{1,3}}))?(?![a-z])")

_LIMIT = r"[0-9]{1,4}+(?:[.,][0-9]++)?+"
_OF_WHAT = r"(?: (?:a|possible|maximum|of)){0,4}"
_STARS = _one_of("star stars 星 颗星")
_WORDINGS = (
    (re.compile(r"百分之([0-9.]++)"), r"\1%"),
    (re.compile(r"(?<=[0-9])点(?=[0-9](?![0-9]))|(?<=[0-9]) \.(?=[0-9])"), "."),
    (re.compile(r"(?<=[0-9])(?: and a half| ?分半| 1/2(?![0-9]))"), ".5"),
    (re.compile(r"(?:\bminus |\bnegative |负)(?=[0-9])"), "-"),
    (re.compile(r"(?<=[0-9]) ?(?:%|per ?cent\b)"), "/100"),
    (re.compile(rf"(?<=[0-9]) ?(?:分|points?)? ?\(? ?(?:/|(?:out )?of{_OF_WHAT}) ?(?=[0-9])"), "/"),
    (re.compile(rf"(?<![0-9./])(?<!满分)([0-5](?:\.[0-9]++)?+) ?{_STARS}(?! scale)"), r"\1/5"),
    (re.compile(rf"\bbetween ({_LIMIT}) and ({_LIMIT})"), r"about \1-\2"),
    (re.compile(rf"(?<![0-9])({_LIMIT}) ?[和与] ?({_LIMIT})分?之间"), r"约\1-\2"),
)

# A number, and the text that may follow it.

_VALUE = (
    r"(?P<minus>-)?+(?P<value>[0-9]++(?:[.,][0-9]++)?+|\.[0-9]++)"
    rf"(?: ?(?:{_POINTS}|{_one_of('point points pts')}))?+"
)
_OF = rf"(?:[.,]0++)?+(?![0-9])(?: ?(?:分|points|{_STARS}))?+"
_NUMBER = rf"{_VALUE}(?:/(?P<maximum>[1-9][0-9]{{0,2}}+){_OF})?+"
_NUMBER_OF = rf"{_VALUE}/(?P<maximum>5|10|100){_OF}"
_STARTS = r"(?<![a-z0-9点时扣减加/-])(?<![0-9][.,:])"  # not inside PG-13, 12:05 or another number
_JOINS = _one_of(
    "and as based because but considering for given i if is match on overall rating score seems since so though to"
    " while would 因 由于 但 我 左右 吧 匹配 相关 符合 的匹配 的评分 的分数"
)
_ENDS = rf"(?= ?(?:\Z|[^\w /%:.°€£¥×+、-]|[:.](?![0-9])|[/-](?!\w)|{_JOINS}))"  # no noun that it counts

# Scales, names and ranges, which are removed or replaced.

_END = r"(?:5|10|100(?:/100)?+)(?:\.0++)?+(?![0-9]|[.,][0-9]|/)"
_NAMED_END = rf"{_END}(?:分|(?= ?(?:scale|的))|{_ENDS})"
_TO = r" ?(?:-|—|~|to|through|到|至) ?"
_FROM = rf"[01](?:\.0++)?+ ?分?(?: ?\([^()0-9\n]{{1,30}}\))?{_TO}"
_SCALE = re.compile(
    rf"{_one_of('scale')}(?: of| from| is)? ?(?:{_FROM})?{_END}"
    rf"|(?<![0-9/-])(?<![0-9][.,]){_FROM}{_NAMED_END}"
    rf"|(?<![0-9]){_END}(?:[- ](?:point|star) scale| ?分制|分?为?满分)"
    rf"|(?<![给打得获出])(?:满分|最高分?)(?:值|是|为|:|\()* ?{_NAMED_END}"
    rf"|共 ?{_END}分"
    rf"|(?:out of|(?<![0-9分])/){_OF_WHAT} ?{_NAMED_END}"
    rf"|{_one_of('max maximum')}(?: of| is|:)? ?{_NAMED_END}"
    rf"|{_one_of('max maximum highest perfect full top')}(?: possible)? (?:score|rating)(?: is| ?[:=]) ?{_NAMED_END}"
)
_NUMBERS = re.compile(r"[0-9]++(?:\.[0-9]++)?+")
_NAME = re.compile(
    rf"{_one_of('number page step picture image candidate 图 图片 第')} ?[0-9]++(?![.,][0-9])(?= ?[:)张]| score)"
    r"|(?<![0-9.:/])(?<!: )(?:0|1|5|10|100)(?:\.0++)?+分? ?(?:= ?[a-z]|表示|代表)"
)
_RANGE = re.compile(
    rf"(?<![0-9/-])({_LIMIT}) ?分?(?:[-—]| ?[~到至或] ?| (?:to|or) | [-—] (?={_LIMIT}(?:/|分|{_ENDS})))"
    rf"({_LIMIT})(?![0-9])"
)

# Text that may be before a number.

_LABEL = _one_of("score scores rating ratings 分数 评分 得分 打分 分值 总分")
_WEAK_LABEL = _one_of(
    "grade relevance similarity match fit rate evaluation answer result overall final"
    " 相关度 相关性 相关程度 匹配度 匹配程度 符合度 符合程度 相似度 契合度 吻合度 答案 结果 总体 综合"
)
_LABEL_PARENTHESIS = re.compile(rf"({_LABEL}) ?\([^()\n]{{1,60}}\)(?= ?:)")
_LINKS = _one_of("is was would should be about a an 约 大约 应 应该 我 会 给 打 为 是 结果 达到 高达")
# A dash right after a label is a separator; one right before the number is its minus sign.
_LINK = rf"-?+(?:[^\w.!?。;,-]|-(?![0-9.])|{_LINKS}){{0,20}}+"
_SUM = r"(?:[0-9][0-9.+/×÷() -]{0,60}= ?)?"  # of a sum, the rating is the result
_SENTENCE = r"[^0-9\n.!?。;]"
_GIVE_VERBS = _one_of("give gives gave assign rate rates rated deserves gets earns say estimate settle go")
_RATING_VERB = rf"(?:{_GIVE_VERBS}(?: [a-z]{{1,14}}){{0,12}}? |[给打评得]{_SENTENCE}{{0,12}}?)"
_LEADING_WORDS = _one_of("a an is be think about around maybe perhaps probably so solid good perfect 是 约")
_UNLABELLED = rf"(?:\A|[\n:,;(=—…?!。]|\. |{_LEADING_WORDS}) ?(?![0-9]++[.)] )"  # not the number of a list item
_EDGE = r"(?:[^\w\n.-]|-(?![0-9.]))*+"


@dataclass(frozen=True, kw_only=True)
class _RatingPattern:
    """A pattern for one wording of a rating.

    is_certain: a match is a rating even if it is outside the scale. must_be_unique: several matches mean no rating.
    """

    pattern: re.Pattern[str]
    is_certain: bool = False
    must_be_unique: bool = False


_RATING_PATTERNS = (
    _RatingPattern(pattern=re.compile(_LABEL + _LINK + _SUM + _NUMBER), is_certain=True),
    _RatingPattern(pattern=re.compile(rf"^{_EDGE}{_NUMBER}[^\w\n]*+$", re.MULTILINE), is_certain=True),
    _RatingPattern(pattern=re.compile(_LABEL + _SENTENCE + "{0,60}" + _STARTS + _NUMBER + _ENDS)),
    _RatingPattern(pattern=re.compile(_RATING_VERB + _STARTS + _NUMBER + _ENDS), is_certain=True),
    _RatingPattern(pattern=re.compile(_WEAK_LABEL + _LINK + _NUMBER + _ENDS), is_certain=True),
    _RatingPattern(pattern=re.compile(_STARTS + _NUMBER_OF + _ENDS), is_certain=True),
    _RatingPattern(pattern=re.compile(_STARTS + _NUMBER + "(?<=分)")),
    _RatingPattern(pattern=re.compile(rf"\A{_EDGE}(?=[0-9]+\.[0-9]){_NUMBER}(?:{_ENDS}|(?= ))")),
    _RatingPattern(
        pattern=re.compile(_UNLABELLED + _STARTS + _NUMBER + "(?(maximum)(?!))" + _ENDS), must_be_unique=True
    ),
)


def read_rating(answer: str) -> float | None:
    """Return the rating in a generated answer, from 0 to 10; None if it has none."""
    text, scale_maximum = _without_scales(_normalize(answer))
    for rating_pattern in _RATING_PATTERNS:
        ratings = [_rating(match, scale_maximum) for match in rating_pattern.pattern.finditer(text)]
        valid = [rating for rating in ratings if rating_pattern.is_certain or 0 <= rating <= HIGHEST]
        if valid and not (rating_pattern.must_be_unique and len(valid) > 1):
            return max(0.0, min(HIGHEST, valid[-1]))
    return None


def _rating(match: re.Match[str], scale_maximum: float) -> float:
    """Convert a match to the scale of 10, by the maximum in the match, or that of the text's scale if it has none."""
    maximum = float(match["maximum"] or scale_maximum)
    rating = float(match["value"].replace(",", ".")) / (maximum / HIGHEST)
    return -rating if match["minus"] else rating


def _normalize(generated: str) -> str:
    """Return the text after any reasoning in <think>, in one spelling."""
    text = unicodedata.normalize("NFKC", _PAUSE.sub("， ", generated.translate(_FRACTIONS)))
    text = _CAMEL.sub(" ", text.translate(_EQUIVALENT)).lower()
    answer = text.rpartition("</think>")[2]
    text = _replace_all(answer if answer.strip() else text, _MARKUP)
    text = _CHINESE_NUMBER.sub(_from_chinese, text)
    text = _ENGLISH_NUMBER.sub(_from_english, text)
    return _replace_all(text, _WORDINGS)


def _without_scales(text: str) -> tuple[str, float]:
    """Remove scales and names, and replace ranges. Also return the maximum of the scale.

    The maximum is 10 if the text has no scale or one that ends at 10; otherwise it is that of the last scale.
    """
    maxima = [float(_NUMBERS.findall(scale[0])[-1]) for scale in _SCALE.finditer(text)]
    maximum = HIGHEST if HIGHEST in maxima or not maxima else maxima[-1]
    text = _LABEL_PARENTHESIS.sub(r"\1", _NAME.sub(" ", _SCALE.sub(" ", text)))
    return _RANGE.sub(_middle, text), maximum


def _replace_all(text: str, replacements: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    for pattern, replacement in replacements:
        text = pattern.sub(replacement, text)
    return text


def _middle(match: re.Match[str]) -> str:
    low, high = (float(value.replace(",", ".")) for value in match.groups())
    return f"{(low + high) / 2:.4f}" if low < high else match[0]


def _from_chinese(match: re.Match[str]) -> str:
    """Return a Chinese number in digits: 八点五 is 8.5, 八十五 is 85, 七八 is 7-8."""
    integer, decimals = match.groups()
    if len(integer) == 2 and integer in _CHINESE_DIGITS:
        return f"{_CHINESE_DIGITS.index(integer[0])}-{_CHINESE_DIGITS.index(integer[1])}"
    number = str(_chinese_number(integer))
    return f"{number}.{''.join(str(_CHINESE_DIGITS.index(digit)) for digit in decimals)}" if decimals else number


def _chinese_number(numerals: str) -> int:
    total = digit = 0
    for numeral in numerals:
        if numeral in _CHINESE_UNITS:
            total += (digit or 1) * _CHINESE_UNITS[numeral]
            digit = 0
        else:
            digit = 10 * digit + _CHINESE_DIGITS.index(numeral)
    return total + digit


def _from_english(match: re.Match[str]) -> str:
    """Return an English number in digits: "eight" is 8, "eight point five" is 8.5."""
    integer, decimals = match.groups()
    number = str(_ENGLISH_DIGITS.index(integer))
    return f"{number}.{''.join(str(_ENGLISH_DIGITS.index(word)) for word in decimals.split())}" if decimals else number
