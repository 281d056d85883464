"""A ranking as one HTML page that opens anywhere: thumbnails in it, no script, nothing fetched from elsewhere."""

from html import escape

from reranker.core.scores import score_texts, shown_score
from reranker.core.types import Ranking
from reranker.i18n.error_messages import Language, sentence
from reranker.images.limits import Limits
from reranker.images.thumbnails import thumbnail_data_uris

THUMBNAIL_PX = 320
_WORDS: dict[str, dict[Language, str]] = {
    "ranked": {"en": "{count} pictures, judged by {model}", "zh": "共 {count} 张图片，由 {model} 评判"},
    "failed": {"en": "Not judged", "zh": "未能评判"},
}
_PAGE = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{query}</title>
<style>
:root {{ color-scheme: light dark; font-family: system-ui, sans-serif; }}
body {{ max-width: 1200px; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; overflow-wrap: anywhere; }}
ol {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 1rem; padding: 0; }}
ol li {{ list-style: none; border: 1px solid #8884; border-radius: 8px; overflow: hidden; }}
img, .none {{ display: block; width: 100%; height: 200px; object-fit: contain; background: #8881; }}
p {{ margin: .5rem .6rem; overflow-wrap: anywhere; font-size: .9rem; }}
meter {{ width: calc(100% - 1.2rem); margin: 0 .6rem .4rem; }}
</style>
</head>
<body>
<h1>{query}</h1>
<p>{summary}</p>
<ol>
{cards}
</ol>
{failures}</body>
</html>
"""


def as_html(ranking: Ranking, *, model: str, limits: Limits, language: Language = "en") -> str:
    """Every picture of the ranking with its rank, score and name, then those that failed, with their reasons."""
    scores = [shown_score(one.score.log_odds, ranking.temperature) for one in ranking.scored]
    thumbnails = thumbnail_data_uris([one.candidate for one in ranking.scored], limits, THUMBNAIL_PX)
    cards = [
        _card(rank, one.candidate.name, score, text, thumbnail)
        for rank, (one, score, text, thumbnail) in enumerate(
            zip(ranking.scored, scores, score_texts(scores), thumbnails, strict=True), start=1
        )
    ]
    summary = _WORDS["ranked"][language].format(count=len(cards), model=model)
    return _PAGE.format(
        lang={"en": "en", "zh": "zh-CN"}[language],
        query=_text(ranking.query.text),
        summary=_text(summary),
        cards="\n".join(cards),
        failures=_failures(ranking, language),
    )


def _card(rank: int, name: str, score: float, text: str, thumbnail: str | None) -> str:
    picture = '<div class="none"></div>' if thumbnail is None else f'<img src="{thumbnail}" alt="{_text(name)}">'
    bar = f'<meter min="0" max="10" value="{score:.4f}">{text}</meter>'
    return f"<li>{picture}<p><b>#{rank} · {text}</b> {_text(name)}</p>{bar}</li>"


def _failures(ranking: Ranking, language: Language) -> str:
    if not ranking.failed:
        return ""
    lines = "\n".join(f"<li>{_text(sentence(one.error, language))}</li>" for one in ranking.failed)
    return f"<h2>{_WORDS['failed'][language]}</h2>\n<ul>\n{lines}\n</ul>\n"


def _text(words: str) -> str:
    """Shown as it is; bytes of a name that are no text show as such."""
    return escape(words.encode("utf-8", "replace").decode("utf-8"))
