"""A ranking as one HTML page with embedded thumbnails. It has no script and loads nothing from elsewhere."""

from html import escape

from reranker.core.scores import score_texts, shown_score
from reranker.core.text import well_formed
from reranker.core.types import Query, Ranking
from reranker.export.ranks import Ranks, ranks_of
from reranker.i18n.error_messages import Language, sentence
from reranker.images.limits import Limits
from reranker.images.thumbnails import thumbnail_data_uris

THUMBNAIL_PX = 320
_TEXTS: dict[str, dict[Language, str]] = {
    "ranked": {"en": "Pictures ranked by {model}: {count}", "zh": "由 {model} 排序，共 {count} 张图片"},
    "excluded": {"en": "{query} · not: {exclude}", "zh": "{query} · 排除：{exclude}"},
    "example": {"en": "Pictures like {name}", "zh": "与 {name} 相似的图片"},
    "example and text": {"en": "{text} · like {name}", "zh": "{text} · 与 {name} 相似"},
    "failed": {"en": "Not scored", "zh": "未能评分"},
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


def as_html(
    ranking: Ranking,
    *,
    model: str,
    limits: Limits,
    language: Language = "en",
    ranks: Ranks = None,
) -> str:
    """An HTML page with rank, score, name and thumbnail of every scored picture, and the errors of those that failed.

    model: its name, to be shown. limits: on the pictures that are read for their thumbnails. ranks: as in `rows`.
    """
    scores = [shown_score(scored.score.log_odds, ranking.temperature) for scored in ranking.scored]
    thumbnails = thumbnail_data_uris([scored.candidate for scored in ranking.scored], limits, THUMBNAIL_PX)
    cards = [
        _card(rank, scored.candidate.name, score, text, thumbnail)
        for rank, scored, score, text, thumbnail in zip(
            ranks_of(ranking, ranks), ranking.scored, scores, score_texts(scores), thumbnails, strict=True
        )
    ]
    return _PAGE.format(
        lang={"en": "en", "zh": "zh-CN"}[language],
        query=_escape(_heading(ranking.query, language)),
        summary=_escape(_TEXTS["ranked"][language].format(count=len(cards), model=model)),
        cards="\n".join(cards),
        failures=_failures(ranking, language),
    )


def _heading(query: Query, language: Language) -> str:
    heading = query.text
    if query.example_name is not None:
        key = "example and text" if query.text else "example"
        heading = _TEXTS[key][language].format(text=query.text, name=query.example_name)
    return _TEXTS["excluded"][language].format(query=heading, exclude=query.exclude) if query.exclude else heading


def _card(rank: int, name: str, score: float, score_text: str, thumbnail: str | None) -> str:
    image = '<div class="none"></div>' if thumbnail is None else f'<img src="{thumbnail}" alt="{_escape(name)}">'
    bar = f'<meter min="0" max="10" value="{score:.4f}">{score_text}</meter>'
    return f"<li>{image}<p><b>#{rank} · {score_text}</b> {_escape(name)}</p>{bar}</li>"


def _failures(ranking: Ranking, language: Language) -> str:
    if not ranking.failed:
        return ""
    lines = "\n".join(f"<li>{_escape(sentence(failed.error, language))}</li>" for failed in ranking.failed)
    return f"<h2>{_TEXTS['failed'][language]}</h2>\n<ul>\n{lines}\n</ul>\n"


def _escape(text: str) -> str:
    """Escape for HTML. Bytes of a file name that are not UTF-8 are shown as a question mark."""
    return escape(well_formed(text))
