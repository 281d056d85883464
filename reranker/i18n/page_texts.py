"""The texts of the page, in English and Simplified Chinese; for errors see `reranker.i18n.error_messages`."""

from typing import Final

from reranker.i18n.error_messages import Language

TITLE: Final = "用一句话给图片排序 · Rank pictures by a sentence"  # title of the browser tab; it is not translated
DEFAULT_LANGUAGE: Final[Language] = "en"
LANGUAGES: Final[dict[Language, str]] = {"zh": "中文", "en": "English"}  # each in its own language

# Labels that do not change while the page is open. The browser picks their language, as it does for Gradio's own.
LABELS: Final[dict[str, dict[Language, str]]] = {
    "reranker.query_hint": {"en": "A sentence in Chinese, English or both", "zh": "一句话，中文、英文或混合均可"},
    "reranker.rank": {"en": "Rank", "zh": "排序"},
    "reranker.stop": {"en": "Stop", "zh": "停止"},
    "reranker.library_tab": {"en": "Library", "zh": "图库"},
    "reranker.labels_tab": {"en": "Labels", "zh": "标签"},
    "reranker.evaluate_tab": {"en": "Evaluate", "zh": "评测"},
    "reranker.evaluate_lead": {
        "en": "How well does the model rank **your** pictures? Write a sentence, mark the pictures that match it, and "
        "add it to the test set; do the same with more sentences. Then see how often each scoring method and detail "
        "ranks a relevant picture first.",
        "zh": "模型给**你的**图片排序有多准？写一句话，标出符合的图片，加入测试集；再多写几句。"
        "然后看看各种评分方式和精细度把相关图片排在第一的比例。",
    },
    "reranker.marked_query": {"en": "Which pictures match this sentence?", "zh": "哪些图片符合这句话？"},
    "reranker.scorings": {"en": "Scoring method", "zh": "评分方式"},
    "reranker.details": {"en": "Detail", "zh": "精细度"},
    "reranker.yes-no": {"en": "yes or no", "zh": "是或否"},
    "reranker.rating": {"en": "rating", "zh": "文字评分"},
    "reranker.low": {"en": "low", "zh": "低"},
    "reranker.usual": {"en": "usual", "zh": "常规"},
    "reranker.high": {"en": "high", "zh": "高"},
    "reranker.own_detail": {"en": "as in the settings", "zh": "按设置"},
    "reranker.evaluate": {"en": "Evaluate", "zh": "开始评测"},
}

# Texts that depend on what happens, in the language that the visitor's browser prefers.
PHRASES: Final[dict[str, dict[Language, str]]] = {
    # Why the demo model is used, and what to do.
    "no GPU": {
        "en": "For photographs there is lychee-rerank-mm; it needs an NVIDIA GPU, which this machine does not have.",
        "zh": "给照片排序可用 lychee-rerank-mm；它需要 NVIDIA 显卡，而这台机器没有。",
    },
    "not downloaded": {
        "en": "For photographs there is {model}; it is not on this machine yet, and nothing is downloaded unasked "
        "(python -m reranker download {model}).",
        "zh": "给照片排序可用 {model}；这台机器上还没有它，程序不会自动下载"
        "（命令：python -m reranker download {model}）。",
    },
    "named": {
        "en": "For photographs, start the program with RERANKER_MODEL=lychee.",
        "zh": "要给照片排序，请以 RERANKER_MODEL=lychee 启动程序。",
    },
    "own_labels": {"en": "own labels", "zh": "自己的标签"},
    "loading": {"en": "Loading the model …", "zh": "正在加载模型……"},
    "reading": {"en": "{done}/{total} · reading the pictures", "zh": "{done}/{total} · 正在读取图片"},
    "progress": {"en": "{done}/{total} · {name}", "zh": "{done}/{total} · {name}"},
    "seconds_left": {"en": "{seconds} s left", "zh": "剩余 {seconds} 秒"},
    "minutes_left": {"en": "{minutes} min left", "zh": "剩余 {minutes} 分钟"},
    "stopping": {"en": "Stopping after this batch …", "zh": "完成当前批次后停止……"},
    "remove": {"en": "Remove {name}", "zh": "移除 {name}"},
    "mark_board": {"en": "Pictures to mark", "zh": "待标记的图片"},
    "mark_count": {"en": "{marked} of {total} marked", "zh": "已标记 {marked} / {total} 张"},
    "mark_clear": {"en": "Clear the marks", "zh": "清除标记"},
    "mark_only": {"en": "marked pictures only", "zh": "只看已标记"},
    "mark_size": {"en": "Size", "zh": "大小"},
    "mark_add": {"en": "Add to the test set", "zh": "加入测试集"},
    "mark_empty": {
        "en": "Pictures that you add under “Rank” appear here, so that you can mark them.",
        "zh": "在“排序”中添加的图片会出现在这里，供你标记。",
    },
    "marked_right": {"en": "{right} of {total} right", "zh": "{total} 张中 {right} 张符合"},
    "nothing_marked": {
        "en": "No picture is marked; mark every picture that matches the sentence.",
        "zh": "还没有标记图片；请标出所有符合这句话的图片。",
    },
    "everything_marked": {
        "en": "All pictures are marked, so every order would be right; unmark those that do not match.",
        "zh": "所有图片都已标记，怎样排都对；请取消不符合的图片的标记。",
    },
    "likely_first": {"en": "Likely ones first", "zh": "可能符合的排在前"},
    "likely_original": {"en": "Original order", "zh": "恢复原顺序"},
    "likely_stop": {"en": "Stop ordering", "zh": "停止排序"},
    "likely_about": {
        "en": "The model orders the pictures by this sentence; your marks stay. Pictures that match but that it misses "
        "are far below: check there too, or the labels will favour the model.",
        "zh": "由模型按这句话给图片排序，已做的标记不变。它漏掉的符合图片会排到很后面：也请看看那里，"
        "否则标注会偏向模型。",
    },
    "sets_title": {"en": "Test set", "zh": "测试集"},
    "sets_save": {"en": "Save the test set", "zh": "保存测试集"},
    "sets_open": {"en": "Open a test set", "zh": "打开测试集"},
    "set_saved": {
        "en": "{name} was downloaded: {count} sentences, {size}. For the command evaluate, put it beside the pictures.",
        "zh": "已下载 {name}：{count} 个句子，{size}。要用 evaluate 命令评测，请把它和图片放在同一文件夹。",
    },
    "set_saved_one": {
        "en": "{name} was downloaded: 1 sentence, {size}. For the command evaluate, put it beside the pictures.",
        "zh": "已下载 {name}：1 个句子，{size}。要用 evaluate 命令评测，请把它和图片放在同一文件夹。",
    },
    "set_renamed": {
        "en": "{count} pictures have the same name as others; in the file they are numbered, such as “{example}”, so "
        "name the pictures that way, too.",
        "zh": "有 {count} 张图片与其他图片重名，在文件中已加编号（如“{example}”）；请把图片也改成这样的名字。",
    },
    "set_renamed_one": {
        "en": "One picture has the same name as another; in the file it is “{example}”, so name the picture that way, "
        "too.",
        "zh": "有 1 张图片与另一张重名，在文件中记为“{example}”；请把图片也改成这个名字。",
    },
    "file_opened": {"en": "“{name}” was opened: {count} sentences.", "zh": "已打开“{name}”：{count} 个句子。"},
    "file_opened_one": {"en": "“{name}” was opened: 1 sentence.", "zh": "已打开“{name}”：1 个句子。"},
    "file_pictures": {
        "en": "{found} of its {count} pictures are here.",
        "zh": "其中 {count} 张图片里有 {found} 张在这里。",
    },
    "file_missing": {
        "en": "Not here: {names}. Add them under “Rank”.",
        "zh": "缺少：{names}。请在“排序”中添加。",
    },
    "file_missing_more": {
        "en": "Not here: {names} and {more} more. Add them under “Rank”.",
        "zh": "缺少：{names} 等，另有 {more} 张。请在“排序”中添加。",
    },
    "file_left_out": {
        "en": "{count} sentences were left out, because none or all of their pictures match.",
        "zh": "有 {count} 个句子未加入，因为它们的图片全都符合或全都不符合。",
    },
    "file_left_out_one": {
        "en": "1 sentence was left out, because none or all of its pictures match.",
        "zh": "有 1 个句子未加入，因为它的图片全都符合或全都不符合。",
    },
    "file_downloaded": {"en": "{name} was downloaded ({size}).", "zh": "已下载 {name}（{size}）。"},
    "set_added": {
        "en": "“{query}” was added to the test set; continue with another sentence.",
        "zh": "“{query}”已加入测试集；请继续下一句。",
    },
    "set_removed": {"en": "“{query}” was removed from the test set.", "zh": "“{query}”已从测试集移除。"},
    "set_opened": {
        "en": "The marks of “{query}” are shown; change them and add the sentence again.",
        "zh": "正在显示“{query}”的标记；可修改后重新加入。",
    },
    "set_left_out": {"en": "not evaluated: its pictures were removed", "zh": "不参与评测：图片已移除"},
    "no_sets": {
        "en": "The test set is empty; write a sentence, mark the pictures that match it, and add it to the test set.",
        "zh": "测试集为空；请写一句话，标出符合的图片，并加入测试集。",
    },
    "no_usable_sets": {
        "en": "All pictures of the test set were removed; add them again, or label others.",
        "zh": "测试集的图片都已移除；请重新添加，或标注其他图片。",
    },
    "no_method": {
        "en": "There is nothing to compare; choose at least one scoring method and one detail.",
        "zh": "没有可比较的内容；请至少选择一种评分方式和一种精细度。",
    },
    "evaluated": {
        "en": "{count} sentences evaluated · {seconds} s · the results are below",
        "zh": "已评测 {count} 个句子 · 用时 {seconds} 秒 · 结果见下方",
    },
    "evaluated_one": {
        "en": "1 sentence evaluated · {seconds} s · the results are below",
        "zh": "已评测 1 个句子 · 用时 {seconds} 秒 · 结果见下方",
    },
    "not_evaluated": {
        "en": "Stopped; an unfinished evaluation has no results.",
        "zh": "已停止；评测未完成，没有结果。",
    },
    "measured": {
        "en": "{count} sentences, {pictures} pictures scored by each method",
        "zh": "{count} 个句子，每种方式各评分 {pictures} 张图片",
    },
    "measured_one": {
        "en": "1 sentence, {pictures} pictures scored by each method",
        "zh": "1 个句子，每种方式各评分 {pictures} 张图片",
    },
    "method_yes-no": {"en": "yes or no", "zh": "是或否"},
    "method_rating": {"en": "rating", "zh": "文字评分"},
    "method_low": {"en": "low ({tokens} tokens)", "zh": "低（{tokens} token）"},
    "method_usual": {"en": "usual ({tokens} tokens)", "zh": "常规（{tokens} token）"},
    "method_high": {"en": "high ({tokens} tokens)", "zh": "高（{tokens} token）"},
    "method_own": {"en": "{tokens} tokens", "zh": "{tokens} token"},
    "the_relevant_first": {
        "en": "The relevant picture came first for {hits} of {count} sentences.",
        "zh": "{count} 个句子里，有 {hits} 个句子的相关图片排在第一位。",
    },
    "the_relevant_first_one": {
        "en": "The relevant picture came first for {hits} of 1 sentence.",
        "zh": "1 个句子里，有 {hits} 个句子的相关图片排在第一位。",
    },
    "a_relevant_first": {
        "en": "A relevant picture came first for {hits} of {count} sentences.",
        "zh": "{count} 个句子里，有 {hits} 个句子的相关图片排在第一位。",
    },
    "a_relevant_first_one": {
        "en": "A relevant picture came first for {hits} of 1 sentence.",
        "zh": "1 个句子里，有 {hits} 个句子的相关图片排在第一位。",
    },
    "of_method": {"en": "With “{method}”, {text}", "zh": "“{method}”：{text}"},
    "plain_hit_at_1": {"en": "the best-ranked picture matches", "zh": "排在第一的图片符合句子"},
    "plain_hit_at_3": {"en": "a matching picture is among the first three", "zh": "前三张里有符合的图片"},
    "figure_hit_at_1": {"en": "First right", "zh": "首位正确"},
    "figure_hit_at_3": {"en": "Within 3", "zh": "前三命中"},
    "figure_mrr": {"en": "MRR", "zh": "MRR"},
    "figure_ndcg_at_10": {"en": "nDCG@10", "zh": "nDCG@10"},
    "figure_recall_at_5": {"en": "Recall@5", "zh": "召回率@5"},
    "figure_separation": {"en": "Separation", "zh": "区分度"},
    "figure_score_std": {"en": "Score std", "zh": "分数标准差"},
    "figure_ms_a_picture": {"en": "ms a picture", "zh": "毫秒/张"},
    "meaning_hit_at_1": {
        "en": "How often a relevant picture is ranked first; below it the 95 % confidence interval.",
        "zh": "相关图片排在第一位的比例；下方是 95 % 置信区间。",
    },
    "meaning_mrr": {
        "en": "1 divided by the rank of the first relevant picture, on average: 1 is always first, 0.5 is second.",
        "zh": "首张相关图片名次的倒数的平均值：1 表示总在第一，0.5 表示第二。",
    },
    "meaning_ndcg_at_10": {
        "en": "How far up the relevant pictures are within the first ten; 1 is the best possible order.",
        "zh": "前十名中相关图片有多靠前；1 表示最佳顺序。",
    },
    "meaning_recall_at_5": {
        "en": "How many of the relevant pictures are among the first five.",
        "zh": "相关图片进入前五名的比例。",
    },
    "meaning_separation": {
        "en": "How far the relevant pictures score above the wrong ones, in standard deviations of the log-odds.",
        "zh": "相关图片比无关图片高出多少，以对数几率的标准差计。",
    },
    "meaning_score_std": {
        "en": "How much the scores for one sentence differ; near 0, the model hardly tells the pictures apart.",
        "zh": "同一句话下各图片分数的差异；接近 0 表示模型几乎分不出差别。",
    },
    "meaning_ms_a_picture": {
        "en": "Milliseconds of computing for a picture, without reading its file.",
        "zh": "每张图片的计算时间（毫秒），不含读取文件。",
    },
    "no_range": {"en": "too few to tell", "zh": "数量太少，无法判断"},
    "between": {"en": "{low} to {high}", "zh": "{low} 至 {high}"},
    "and": {"en": " and ", "zh": "，"},
    "real": {
        "en": "“{better}” is significantly better than “{worse}”: {figures}.",
        "zh": "“{better}”显著优于“{worse}”：{figures}。",
    },
    "chance": {
        "en": "“{better}” and “{worse}” do not differ significantly: {figures}.",
        "zh": "“{better}”与“{worse}”没有显著差异：{figures}。",
    },
    "difference_hit_at_1": {
        "en": "first place {value} points (95 %: {low} to {high})",
        "zh": "首位正确 {value} 个百分点（95 %：{low} 至 {high}）",
    },
    "difference_mrr": {"en": "MRR {value} ({low} to {high})", "zh": "MRR {value}（{low} 至 {high}）"},
    "difference_ndcg_at_10": {"en": "nDCG@10 {value} ({low} to {high})", "zh": "nDCG@10 {value}（{low} 至 {high}）"},
    "changed_first": {
        "en": "Their first pictures differ for {changed} of {sets} sentences.",
        "zh": "{sets} 个句子中有 {changed} 个的首张图片不同。",
    },
    "by_chance": {
        "en": "Pairs without a significant difference ({count})",
        "zh": "没有显著差异的组合（{count}）",
    },
    "by_chance_one": {"en": "A pair without a significant difference", "zh": "没有显著差异的组合"},
    "few_sets": {
        "en": "With fewer than {enough} sentences only large differences are significant; label more to be sure.",
        "zh": "句子少于 {enough} 个时，只有很大的差异才显著；多标注一些更可靠。",
    },
    "unscored": {
        "en": "“{method}”: {count} pictures could not be scored, and count as not found.",
        "zh": "“{method}”：{count} 张图片未能评分，按未找到计。",
    },
    "unscored_one": {
        "en": "“{method}”: 1 picture could not be scored, and counts as not found.",
        "zh": "“{method}”：1 张图片未能评分，按未找到计。",
    },
    "not_found": {"en": "not found", "zh": "未找到"},
    "came_first": {"en": "{name} was ranked first", "zh": "{name} 排在第一"},
    "evaluation_way": {"en": "Method", "zh": "方式"},
    "evaluation_title": {"en": "Results", "zh": "结果"},
    "evaluation_more": {"en": "More figures", "zh": "更多指标"},
    "evaluation_csv": {"en": "All figures as CSV", "zh": "下载全部指标（CSV）"},
    "evaluation_main_table": {"en": "Results of each method", "zh": "各方式的结果"},
    "evaluation_outdated": {
        "en": "The test set or its pictures have changed since then; evaluate again for new results.",
        "zh": "此后测试集或其中的图片有变动；请重新评测以更新结果。",
    },
    "evaluation_verdicts": {"en": "Is one method better?", "zh": "有没有更好的方式？"},
    "evaluation_none_real": {
        "en": "No two methods differ significantly.",
        "zh": "任何两种方式都没有显著差异。",
    },
    "evaluation_query": {"en": "Sentence", "zh": "句子"},
    "evaluation_wrong": {"en": "Mistakes", "zh": "排错的句子"},
    "evaluation_wrong_about": {
        "en": "The rank of the first relevant picture, and the wrong picture that was ranked first instead.",
        "zh": "首张相关图片的名次，以及错误地排在第一的图片。",
    },
    "label_title": {"en": "Label pictures", "zh": "标注图片"},
    "label_lead": {
        "en": "Write a sentence, mark every picture that matches it (Shift marks a range), save, and continue with the "
        "next.",
        "zh": "写一句话，标出所有符合的图片（按住 Shift 可连选），保存，再写下一句。",
    },
    "label_query": {"en": "Which pictures match this sentence?", "zh": "哪些图片符合这句话？"},
    "label_hint": {"en": "A sentence in Chinese, English or both", "zh": "一句话，中文、英文或混合均可"},
    "label_save": {"en": "Save", "zh": "保存"},
    "label_change": {"en": "Save the change", "zh": "保存修改"},
    "label_leave": {"en": "Discard the change", "zh": "放弃修改"},
    "label_sets": {"en": "Saved", "zh": "已保存"},
    "label_sure": {"en": "Remove “{query}” from the file?", "zh": "从文件中删除“{query}”？"},
    "label_order": {"en": "Most relevant first", "zh": "最相关的排在前"},
    "label_order_stop": {"en": "Stop ordering", "zh": "停止排序"},
    "label_order_about": {
        "en": "The model orders the pictures. Pictures that match but that it misses are far below: check there too, "
        "or the labels will favour the model.",
        "zh": "由模型给图片排序。它漏掉的符合图片会排到很后面：也请看看那里，否则标注会偏向模型。",
    },
    "label_loading": {"en": "Loading the model …", "zh": "正在加载模型……"},
    "label_ordering": {"en": "{done}/{total} pictures scored", "zh": "已评分 {done}/{total} 张"},
    "label_ordered": {
        "en": "The most relevant pictures come first; pictures that the model missed are far below.",
        "zh": "最相关的已排在前面；模型漏掉的会在很后面。",
    },
    "label_stopped": {"en": "Stopped.", "zh": "已停止。"},
    "label_gone": {
        "en": "The program does not respond; start it again. What you saved is in the file.",
        "zh": "程序没有响应；请重新启动，已保存的内容都在文件中。",
    },
    "labelled_count": {"en": "{name} has {count} labelled sentences.", "zh": "{name} 现有 {count} 个已标注的句子。"},
    "labelled_count_one": {"en": "{name} has 1 labelled sentence.", "zh": "{name} 现有 1 个已标注的句子。"},
    "labelled_saved": {"en": "“{query}” was saved.", "zh": "“{query}”已保存。"},
    "labelled_changed": {"en": "“{query}” was changed.", "zh": "“{query}”已修改。"},
    "labelled_removed": {"en": "“{query}” was removed.", "zh": "“{query}”已删除。"},
    "labelled_there": {
        "en": "“{query}” is labelled already; select it in the saved list to change it.",
        "zh": "“{query}”已经标注过；如需修改，请在已保存的列表中选择它。",
    },
    "labelled_moved": {
        "en": "The file was changed by another program; check the saved list and try again.",
        "zh": "文件已被其他程序修改；请查看已保存的列表后重试。",
    },
    "labelled_not_plain": {
        "en": "“{query}” has grades, an id or other data in {name} that this page cannot edit; edit the file instead.",
        "zh": "“{query}”在 {name} 中含有等级、编号等信息，此页面无法编辑；请直接修改文件。",
    },
    "labelled_closed": {
        "en": "Nothing was saved: {name} could not be read or written ({reason}); check its permissions and its disk, "
        "then save again.",
        "zh": "未能保存：无法读写 {name}（{reason}）；请检查权限和磁盘，然后重新保存。",
    },
    "malformed": {
        "en": "“query” must be text, “pictures” a list of uploaded files, “top_k” a whole number of at least 1 or "
        "null, and “texts” a list of as many texts or null.",
        "zh": "“query”须为文本，“pictures”须为已上传文件的列表，“top_k”须为不小于 1 的整数或 null，"
        "“texts”须为同样数目的文本列表或 null。",
    },
    "search_malformed": {
        "en": "“query”, “exclude” and “library” must be text, “recall” a whole number from 1 to 5,000, and “top_k” one "
        "of at least 1.",
        "zh": "“query”“exclude”和“library”须为文本，“recall”须为 1 到 5,000 的整数，“top_k”须为不小于 1 的整数。",
    },
}


_LOCALES: Final[dict[Language, tuple[str, ...]]] = {"en": ("en",), "zh": ("zh-CN", "zh-TW")}  # in Gradio


def translations() -> dict[str, dict[str, str]]:
    """Return `LABELS` by locale; the browser picks one."""
    texts = {language: {key: text[language] for key, text in LABELS.items()} for language in _LOCALES}
    return {locale: texts[language] for language, locales in _LOCALES.items() for locale in locales}


def phrase(key: str, language: Language, **values: object) -> str:
    """Return one of `PHRASES` with its values filled in; with `count=1`, its singular if there is one."""
    singular = f"{key}_one"
    texts = PHRASES[singular if values.get("count") == 1 and singular in PHRASES else key]
    return texts[language].format(**values)


def phrases(prefix: str, language: Language) -> dict[str, str]:
    """Return the `PHRASES` whose keys have this prefix, by the rest of the key; the browser fills in their values."""
    return {key.removeprefix(prefix): texts[language] for key, texts in PHRASES.items() if key.startswith(prefix)}


def language_of(accept_language: str | None) -> Language:
    """Return the language that an Accept-Language header prefers among those that the page has."""
    for tag in _by_preference(accept_language or ""):
        if tag.startswith("zh"):
            return "zh"
        if tag.startswith("en"):
            return "en"
    return DEFAULT_LANGUAGE


def is_translated_by_browser(accept_language: str | None) -> bool:
    """Return whether Gradio in the browser picks the same language as `language_of`.

    Gradio knows only two tags of Chinese, zh-CN and zh-TW.
    """
    first, *_ = [*_by_preference(accept_language or ""), ""]
    return language_of(accept_language) == "en" or first in {"zh-cn", "zh-tw"}


def _by_preference(header: str) -> list[str]:
    """Return the language tags of a header such as `zh-CN,zh;q=0.9,en;q=0.8`, most preferred first."""
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
