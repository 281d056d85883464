"""Every word of the page, in English and Simplified Chinese; what went wrong has its words in `reranker.sentences`."""

from typing import Final

from reranker.sentences import Language

TITLE: Final = "用一句话给图片排序 · Rank pictures by a sentence"  # of the browser's tab, which is not translated
DEFAULT_LANGUAGE: Final[Language] = "en"
LANGUAGES: Final[dict[Language, str]] = {"zh": "中文", "en": "English"}  # as each calls itself

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
    "reranker.folder": {"en": "Add a folder", "zh": "添加文件夹"},
    "reranker.gallery": {"en": "Galleries of this server", "zh": "服务器上的图库"},
    "reranker.add_gallery": {"en": "Add gallery", "zh": "添加图库"},
    "reranker.open_saved": {"en": "Open a saved ranking", "zh": "打开已保存的排序"},
    "reranker.help": {"en": "How to write a sentence that finds", "zh": "怎样写出好找的句子"},
    "reranker.help_text": {
        "en": "Say **who or what, doing what, where, with which features**; say what must **not** be there; name a "
        "style by what is seen, not by its quality. Several sentences, one a line (Shift+Enter), are ranked one after "
        "the other.\n\n"
        "✓ *a woman in a red dress walking on a beach at dusk, no other people*\n\n"
        "✓ *flat illustration, thick outlines, two cats on a blue sofa*\n\n"
        "✗ *a beautiful high-quality picture* — nothing in it can be seen or missed\n\n"
        "✗ *something like last year's campaign* — the model was not there",
        "zh": "写清**主体、动作、场景、特征**；说明**不要出现**什么；描述风格时写看得见的样子，而不是好坏。"
        "可一次写多个句子，每行一个（Shift+Enter 换行），依次排序。\n\n"
        "✓ *黄昏的海滩上，一位穿红裙的女子在散步，没有其他人*\n\n"
        "✓ *扁平插画，粗轮廓线，两只猫趴在蓝色沙发上*\n\n"
        "✗ *一张高质量的好看图片*——没有任何看得见的内容可以判断\n\n"
        "✗ *类似去年活动的感觉*——模型并不知道去年的活动",
    },
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
    "not_now": {
        "en": "A run goes on; open the saved ranking when it has ended.",
        "zh": "正在排序；请在结束后再打开已保存的排序。",
    },
    "stopping": {"en": "Stopping after this batch …", "zh": "完成当前批次后停止……"},
    "none_fits": {
        "en": "Nothing here fits: no picture has {line} of 10",
        "zh": "没有符合的图片：没有一张达到 {line} 分（满分 10）",
    },
    "reused": {"en": "{count} known already", "zh": "其中 {count} 张早已看过"},
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
    "chosen_size": {"en": "Pixels", "zh": "像素"},
    "chosen_batch": {"en": "Judged", "zh": "评判"},
    "chosen_fresh": {"en": "in a batch of {ms} ms", "zh": "所在批次用时 {ms} 毫秒"},
    "chosen_known": {"en": "in a batch of {ms} ms, looked at before", "zh": "所在批次用时 {ms} 毫秒，此前已看过"},
    "chosen_stored": {"en": "earlier; its score was stored", "zh": "此前已评判，分数已存"},
    "why_why": {"en": "Why this score?", "zh": "为什么是这个分数？"},
    "why_words": {"en": "In the model's own words", "zh": "让模型自己说"},
    "why_parts": {"en": "Each part of the sentence, judged alone", "zh": "句子的各个部分，分别评判"},
    "why_where": {
        "en": "Where: the darker, the more the log-odds fall when that place is hidden, at most by {most}",
        "zh": "在图中何处：颜色越深，遮住该处时对数几率下降越多，最多下降 {most}",
    },
    "why_nowhere": {
        "en": "No single place matters: hiding any of them does not lower the score",
        "zh": "没有哪一处特别重要：遮住任何一处，得分都不会下降",
    },
    "asking": {"en": "Asking the model …", "zh": "正在询问模型……"},
    "board_overview": {"en": "All queries", "zh": "全部句子"},
    "board_query": {"en": "Query", "zh": "句子"},
    "board_best": {"en": "Best picture", "zh": "最佳图片"},
    "board_score": {"en": "Score", "zh": "得分"},
    "board_threshold": {"en": "At least", "zh": "最低分"},
    "board_most": {"en": "The best", "zh": "前几名"},
    "board_all": {"en": "all", "zh": "全部"},
    "board_shown": {"en": "{shown} of {total} shown", "zh": "显示 {shown} / {total} 张"},
    "board_card": {"en": "Rank {rank}, score {score}: {name}", "zh": "第 {rank} 名，{score} 分：{name}"},
    "board_earlier": {"en": "Earlier", "zh": "此前"},
    "board_compare": {"en": "Compare with what is shown", "zh": "与当前结果对比"},
    "board_new": {"en": "new", "zh": "新"},
    "board_close": {"en": "Close the comparison", "zh": "关闭对比"},
    "retry": {"en": "Retry these", "zh": "重试这些"},
    "malformed": {
        "en": "“query” must be text, “pictures” a list of uploaded files, “top_k” a whole number from 1 up or null, "
        "“texts” a list of as many texts or null.",
        "zh": "“query”须为文本，“pictures”须为已上传文件的列表，“top_k”须为不小于 1 的整数或 null，"
        "“texts”须为同样数目的文本列表或 null。",
    },
}


_LOCALES: Final[dict[Language, tuple[str, ...]]] = {"en": ("en",), "zh": ("zh-CN", "zh-TW")}  # as Gradio knows them


def translations() -> dict[str, dict[str, str]]:
    """`LABELS` for each locale, from which the browser picks."""
    texts = {language: {key: text[language] for key, text in LABELS.items()} for language in _LOCALES}
    return {locale: texts[language] for language, locales in _LOCALES.items() for locale in locales}


def phrase(key: str, language: Language, **values: object) -> str:
    """One of `PHRASES`, filled in; with `count=1`, the singular where there is one."""
    singular = f"{key}_one"
    texts = PHRASES[singular if values.get("count") == 1 and singular in PHRASES else key]
    return texts[language].format(**values)


def phrases(beginning: str, language: Language) -> dict[str, str]:
    """Those of `PHRASES` whose keys begin so, by the rest of the key, not filled in: the browser does that."""
    return {key.removeprefix(beginning): texts[language] for key, texts in PHRASES.items() if key.startswith(beginning)}


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
