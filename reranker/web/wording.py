"""Every word of the page, in English and Simplified Chinese; what went wrong has its words in `reranker.sentences`."""

from typing import Final

from reranker.sentences import Language

TITLE: Final = "用一句话给图片排序 · Rank pictures by a sentence"  # of the browser's tab, which is not translated
DEFAULT_LANGUAGE: Final[Language] = "en"

# Labels that never change while the page is open; the browser picks their language, by keys beside those of Gradio.
LABELS: Final[dict[str, dict[Language, str]]] = {
    "reranker.heading": {"en": "# Rank pictures by a sentence", "zh": "# 用一句话给图片排序"},
    "reranker.lead": {
        "en": "Each picture is judged together with your sentence, in Chinese, English or both. The best comes first.",
        "zh": "每张图片都会与你的句子一起评判，最符合的排在最前；句子可用中文、英文或混合书写。",
    },
    "reranker.query": {"en": "What should the pictures show?", "zh": "想找什么样的图片？"},
    "reranker.query_hint": {"en": "A sentence in Chinese, English or both", "zh": "一句话，中文、英文或混合均可"},
    "reranker.examples": {"en": "Examples", "zh": "示例"},
    "reranker.pictures": {"en": "Pictures", "zh": "图片"},
    "reranker.samples": {"en": "Use the sample gallery", "zh": "使用示例图库"},
    "reranker.clear": {"en": "Remove all", "zh": "全部移除"},
    "reranker.rank": {"en": "Rank", "zh": "排序"},
    "reranker.stop": {"en": "Stop", "zh": "停止"},
    "reranker.best": {"en": "In the ZIP", "zh": "打包张数"},
    "reranker.csv": {"en": "CSV", "zh": "CSV 表格"},
    "reranker.json": {"en": "JSON", "zh": "JSON"},
    "reranker.zip": {"en": "ZIP of the best", "zh": "图片压缩包"},
    "reranker.html": {"en": "Contact sheet", "zh": "缩略图页"},
    "reranker.ranking": {"en": "Ranking", "zh": "排序结果"},
}

# Words that depend on what happens, in the language that the visitor's browser asks for.
PHRASES: Final[dict[str, dict[Language, str]]] = {
    "ready": {
        "en": "The model “{model}” is ready. Add at least {min_count} pictures, write a sentence, and rank them.",
        "zh": "模型“{model}”已就绪。请添加至少 {min_count} 张图片，写一句话，然后排序。",
    },
    "toybox": {
        "en": "**The small built-in model is at work.** It knows drawings like those of the sample gallery, and not "
        "photographs.",
        "zh": "**当前使用内置的小模型**，它只认识示例图库那样的图画，不认识照片。",
    },
    "no card": {
        "en": "For photographs there is `lychee-rerank-mm`, which wants a CUDA card; there is none here.",
        "zh": "评判照片请用 `lychee-rerank-mm`，它需要 CUDA 显卡，而这台机器没有。",
    },
    "not downloaded": {
        "en": "For photographs there is `lychee-rerank-mm`, whose files are not on this machine. Nothing is downloaded "
        "by itself; `python -m reranker download lychee` does it.",
        "zh": "评判照片请用 `lychee-rerank-mm`，它的文件不在这台机器上。程序不会自行下载任何内容，"
        "请用命令 `python -m reranker download lychee` 下载。",
    },
    "asked": {
        "en": "For photographs, start with `RERANKER_MODEL=lychee`.",
        "zh": "要评判照片，请以 `RERANKER_MODEL=lychee` 启动。",
    },
    "download": {"en": "Download “{model}”", "zh": "下载“{model}”"},
    "download_sized": {"en": "Download “{model}” ({size} GB)", "zh": "下载“{model}”（{size} GB）"},
    "downloading": {
        "en": "Downloading “{model}”: {done} of {total} GB",
        "zh": "正在下载“{model}”：{done} / {total} GB",
    },
    "loading": {"en": "Loading the model …", "zh": "正在加载模型……"},
    "reading": {"en": "{done}/{total} · reading the pictures", "zh": "{done}/{total} · 正在读取图片"},
    "waiting": {
        "en": "{done}/{total} · waiting: {count} batches of others go first",
        "zh": "{done}/{total} · 等待中：前面还有他人的 {count} 批",
    },
    "waiting_one": {
        "en": "{done}/{total} · waiting: 1 batch of others goes first",
        "zh": "{done}/{total} · 等待中：前面还有他人的 1 批",
    },
    "glimpsed": {
        "en": "{done}/{total} · {count} looked at roughly; the best are looked at closely next",
        "zh": "{done}/{total} · 已粗看 {count} 张，接着细看其中最好的",
    },
    "progress": {"en": "{done}/{total} · {name}", "zh": "{done}/{total} · {name}"},
    "rate": {"en": "{rate} pictures/s", "zh": "{rate} 张/秒"},
    "seconds_left": {"en": "{seconds} s left", "zh": "剩余 {seconds} 秒"},
    "minutes_left": {"en": "{minutes} min left", "zh": "剩余 {minutes} 分钟"},
    "stopping": {"en": "Stopping after this batch …", "zh": "完成当前批次后停止……"},
    "none_fits": {
        "en": "Nothing here fits: no picture has {line} of 10 · {ended}",
        "zh": "没有符合的图片：没有一张达到 {line} 分（满分 10）· {ended}",
    },
    "ranked": {"en": "{count} pictures ranked", "zh": "已排序 {count} 张图片"},
    "ranked_one": {"en": "1 picture ranked", "zh": "已排序 1 张图片"},
    "not_judged": {"en": "{count} not judged", "zh": "{count} 张未评判"},
    "took": {"en": "{seconds} s", "zh": "用时 {seconds} 秒"},
    "stopped": {"en": "Stopped · {done} of {total} pictures ranked", "zh": "已停止 · {total} 张中已排序 {done} 张"},
    "none_judged": {
        "en": "No picture could be judged; the reasons are below.",
        "zh": "没有一张图片能够评判；原因见下方。",
    },
    "kept_first": {
        "en": "At most {max_count} pictures are taken at once: the first {max_count} of {count} were kept.",
        "zh": "一次最多接受 {max_count} 张图片：已保留 {count} 张中的前 {max_count} 张。",
    },
    "names": {"en": "{count} pictures", "zh": "{count} 张图片"},
    "names_one": {"en": "1 picture", "zh": "1 张图片"},
    "remove": {"en": "Remove {name}", "zh": "移除 {name}"},
    "failures": {"en": "Not judged", "zh": "未能评判"},
    "skipped": {"en": "Not judged, as the run was stopped", "zh": "因停止而未评判"},
    "chosen_score": {"en": "Score, 0 to 10", "zh": "得分（0–10）"},
    "chosen_log_odds": {"en": "Log-odds", "zh": "对数几率"},
    "chosen_visual_tokens": {"en": "Visual tokens", "zh": "视觉 token 数"},
    "chosen_words": {"en": "The model's words", "zh": "模型的原话"},
    "malformed": {
        "en": "“query” must be text, “pictures” a list of uploaded files, “top_k” a whole number from 1 up or null, "
        "“texts” a list of as many texts or null.",
        "zh": "“query”须为文本，“pictures”须为已上传文件的列表，“top_k”须为不小于 1 的整数或 null，"
        "“texts”须为同样数目的文本列表或 null。",
    },
}


def phrase(key: str, language: Language, **values: object) -> str:
    """One of `PHRASES`, filled in; with `count=1`, the singular where there is one."""
    singular = f"{key}_one"
    texts = PHRASES[singular if values.get("count") == 1 and singular in PHRASES else key]
    return texts[language].format(**values)


def language_of(accept_language: str | None) -> Language:
    """What a browser's Accept-Language header asks for first, of the two that are spoken here."""
    for tag in _by_preference(accept_language or ""):
        if tag.startswith("zh"):
            return "zh"
        if tag.startswith("en"):
            return "en"
    return DEFAULT_LANGUAGE


def is_translated_by_browser(accept_language: str | None) -> bool:
    """True where Gradio picks the language of `LABELS` as `language_of` does: of Chinese, it knows two tags exactly."""
    first, *_ = [*_by_preference(accept_language or ""), ""]
    return language_of(accept_language) == "en" or first in {"zh-cn", "zh-tw"}


def _by_preference(header: str) -> list[str]:
    """The language tags of `zh-CN,zh;q=0.9,en;q=0.8`, the wanted ones, most wanted first."""
    weights: dict[str, float] = {}
    for entry in header.lower().split(","):
        tag, _, parameter = entry.strip().partition(";")
        weights.setdefault(tag.strip(), _weight(parameter))
    return sorted((tag for tag, weight in weights.items() if weight > 0), key=lambda tag: -weights[tag])


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
