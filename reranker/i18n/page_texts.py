"""Texts of the page, in English and Simplified Chinese; errors have theirs in `reranker.i18n.error_messages`."""

from typing import Final

from reranker.i18n.error_messages import Language

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
    "reranker.evaluate_tab": {"en": "Evaluate", "zh": "评测"},
    "reranker.evaluate_lead": {
        "en": "How well does the model rank **your** pictures? Mark which ones show a sentence, add it to the set, go "
        "on with another sentence, and see how often each way to ask puts a right picture first.",
        "zh": "模型给**你的**图片排序有多准？标出符合一句话的图片，加入测试集，再写下一句；然后看看每种提问方式"
        "把正确图片排在第一的比例。",
    },
    "reranker.marked_query": {"en": "Which of the pictures show this?", "zh": "哪些图片符合这句话？"},
    "reranker.scorings": {"en": "How the model is asked", "zh": "怎样问模型"},
    "reranker.details": {"en": "How closely it looks", "zh": "看得多仔细"},
    "reranker.yes-no": {"en": "yes or no", "zh": "是或否"},
    "reranker.rating": {"en": "a rating in words", "zh": "用文字打分"},
    "reranker.low": {"en": "low", "zh": "低"},
    "reranker.usual": {"en": "usual", "zh": "常规"},
    "reranker.high": {"en": "high", "zh": "高"},
    "reranker.own_detail": {"en": "as in the settings", "zh": "按设置"},
    "reranker.evaluate": {"en": "Evaluate", "zh": "开始评测"},
    "reranker.evaluation_csv": {"en": "All figures as CSV", "zh": "全部指标 CSV"},
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
    "mark_board": {"en": "Pictures to mark", "zh": "待标记的图片"},
    "mark_count": {"en": "{marked} of {total} marked", "zh": "已标记 {marked} / {total} 张"},
    "mark_clear": {"en": "Clear the marks", "zh": "清除标记"},
    "mark_only": {"en": "marked ones only", "zh": "只看已标记"},
    "mark_size": {"en": "Size", "zh": "大小"},
    "mark_add": {"en": "Add to the set", "zh": "加入测试集"},
    "mark_empty": {
        "en": "The pictures that you add under “Rank” appear here, to be marked.",
        "zh": "在“排序”中添加的图片会出现在这里，供你标记。",
    },
    "marked_right": {"en": "{right} of {total} right", "zh": "{total} 张中 {right} 张符合"},
    "nothing_marked": {
        "en": "Nothing is marked; mark each picture that shows what the sentence says.",
        "zh": "还没有标记；请标出每一张符合这句话的图片。",
    },
    "everything_marked": {
        "en": "Everything is marked, so no order of these pictures could be wrong; leave those unmarked that do "
        "not fit.",
        "zh": "所有图片都已标记，怎样排都不会错；请不要标记不符合的图片。",
    },
    "sets": {"en": "The set", "zh": "测试集"},
    "set_added": {
        "en": "“{query}” is in the set; go on with another sentence.",
        "zh": "已加入“{query}”；请继续下一句。",
    },
    "set_removed": {"en": "“{query}” is out of the set.", "zh": "已移除“{query}”。"},
    "set_opened": {
        "en": "The marks of “{query}” are shown; change them and add it again.",
        "zh": "正在显示“{query}”的标记；可修改后重新加入。",
    },
    "set_left_out": {"en": "left out: its pictures are gone", "zh": "不参与：图片已移除"},
    "no_sets": {
        "en": "Nothing is labelled yet; write a sentence, mark the pictures that show it, and add it to the set.",
        "zh": "还没有标注；请写一句话，标出符合的图片，并加入测试集。",
    },
    "no_usable_sets": {
        "en": "The pictures that were labelled have left the gallery; add them again, or label others.",
        "zh": "标注过的图片已不在图库中；请重新添加，或标注其他图片。",
    },
    "no_way": {
        "en": "There is nothing to compare; choose at least one way to ask and one detail.",
        "zh": "没有可比较的内容；请至少选择一种提问方式和一种精细度。",
    },
    "evaluated": {
        "en": "{count} queries evaluated · {seconds} s · the figures are below",
        "zh": "已评测 {count} 个句子 · 用时 {seconds} 秒 · 结果见下方",
    },
    "evaluated_one": {
        "en": "1 query evaluated · {seconds} s · the figures are below",
        "zh": "已评测 1 个句子 · 用时 {seconds} 秒 · 结果见下方",
    },
    "not_evaluated": {
        "en": "Stopped; an evaluation that is not whole says nothing.",
        "zh": "已停止；未完成的评测不作数。",
    },
    "measured": {
        "en": "{count} queries, {pictures} pictures judged in each way",
        "zh": "{count} 个句子，每种方式各评判 {pictures} 张",
    },
    "measured_one": {
        "en": "1 query, {pictures} pictures judged in each way",
        "zh": "1 个句子，每种方式各评判 {pictures} 张",
    },
    "way_yes-no": {"en": "yes or no", "zh": "是或否"},
    "way_rating": {"en": "rating", "zh": "文字打分"},
    "way_low": {"en": "low ({tokens} tokens)", "zh": "低（{tokens} token）"},
    "way_usual": {"en": "usual ({tokens} tokens)", "zh": "常规（{tokens} token）"},
    "way_high": {"en": "high ({tokens} tokens)", "zh": "高（{tokens} token）"},
    "way_own": {"en": "{tokens} tokens", "zh": "{tokens} token"},
    "figure_first": {"en": "First right", "zh": "首位正确"},
    "figure_within_3": {"en": "Within 3", "zh": "前三命中"},
    "figure_mrr": {"en": "MRR", "zh": "MRR"},
    "figure_ndcg_at_10": {"en": "nDCG@10", "zh": "nDCG@10"},
    "figure_recall_at_5": {"en": "Recall@5", "zh": "召回率@5"},
    "figure_separation": {"en": "Separation", "zh": "区分度"},
    "figure_score_std": {"en": "Score std", "zh": "分数标准差"},
    "figure_ms_a_picture": {"en": "ms a picture", "zh": "毫秒/张"},
    "meaning_first": {
        "en": "How often a right picture is in the first place; below it the range that holds the true share in 95 of "
        "100 cases.",
        "zh": "正确图片排在第一位的比例；下方是真实比例在 100 次中有 95 次落入的范围。",
    },
    "meaning_within_3": {
        "en": "How often a right picture is among the first three.",
        "zh": "正确图片进入前三位的比例。",
    },
    "meaning_mrr": {
        "en": "1 over the place of the first right picture, on average: 1 is always first, 0.5 is second.",
        "zh": "首张正确图片名次的倒数的平均值：1 表示总在第一，0.5 表示第二。",
    },
    "meaning_ndcg_at_10": {
        "en": "How much of the right pictures stands how far up in the first ten; 1 is the best order there is.",
        "zh": "前十名中正确图片有多靠前；1 表示最佳顺序。",
    },
    "meaning_recall_at_5": {
        "en": "How many of the right pictures are among the first five.",
        "zh": "正确图片中有多少进入前五名。",
    },
    "meaning_separation": {
        "en": "How far the right pictures lie above the wrong ones, in standard deviations of the log-odds.",
        "zh": "正确图片比错误图片高出多少，以对数几率的标准差计。",
    },
    "meaning_score_std": {
        "en": "How much the scores of one query differ: near 0, all pictures look alike to the model.",
        "zh": "同一句话各图片分数的差异；接近 0 表示模型认为都差不多。",
    },
    "meaning_ms_a_picture": {
        "en": "Milliseconds at the device for a picture, looking and asking; reading the file is not counted.",
        "zh": "设备处理每张图片的毫秒数，包括看图和提问，不含读取文件。",
    },
    "no_range": {"en": "too few to tell", "zh": "太少，说不准"},
    "between": {"en": "{low} to {high}", "zh": "{low} 至 {high}"},
    "and": {"en": " and ", "zh": "，"},
    "real": {
        "en": "“{better}” is better than “{worse}” by more than chance: {figures}.",
        "zh": "“{better}”优于“{worse}”，不是偶然：{figures}。",
    },
    "chance": {
        "en": "“{better}” or “{worse}”: what differs could be chance, {figures}.",
        "zh": "“{better}”与“{worse}”：差异可能只是偶然，{figures}。",
    },
    "difference_first": {
        "en": "first place {value} points (95 %: {low} to {high})",
        "zh": "首位正确 {value} 个百分点（95 %：{low} 至 {high}）",
    },
    "difference_mrr": {"en": "MRR {value} ({low} to {high})", "zh": "MRR {value}（{low} 至 {high}）"},
    "difference_ndcg_at_10": {"en": "nDCG@10 {value} ({low} to {high})", "zh": "nDCG@10 {value}（{low} 至 {high}）"},
    "changed_first": {
        "en": "Their first pictures differ for {changed} of {sets} queries.",
        "zh": "{sets} 个句子中有 {changed} 个的首张图片不同。",
    },
    "by_chance": {
        "en": "Pairs that may differ by chance alone ({count})",
        "zh": "差异可能只是偶然的组合（{count}）",
    },
    "by_chance_one": {"en": "A pair that may differ by chance alone", "zh": "差异可能只是偶然的组合"},
    "few_sets": {
        "en": "With fewer than {enough} queries only large differences are more than chance; label more to be sure.",
        "zh": "句子少于 {enough} 个时，只有很大的差异才不是偶然；多标注一些更可靠。",
    },
    "unjudged": {
        "en": "“{way}”: {count} pictures could not be judged, and count as not found.",
        "zh": "“{way}”：{count} 张未能评判，按未找到计。",
    },
    "unjudged_one": {
        "en": "“{way}”: 1 picture could not be judged, and counts as not found.",
        "zh": "“{way}”：1 张未能评判，按未找到计。",
    },
    "not_found": {"en": "not found", "zh": "未找到"},
    "came_first": {"en": "{name} came first", "zh": "{name} 排在第一"},
    "evaluation_way": {"en": "Way", "zh": "方式"},
    "evaluation_meanings": {"en": "What the columns mean", "zh": "各列的含义"},
    "evaluation_verdicts": {"en": "Is one better?", "zh": "有没有更好的？"},
    "evaluation_none_real": {
        "en": "No two ways differ here by more than chance.",
        "zh": "这里没有哪两种方式的差异超出偶然。",
    },
    "evaluation_query": {"en": "Query", "zh": "句子"},
    "evaluation_wrong": {"en": "Where it went wrong", "zh": "哪里错了"},
    "evaluation_wrong_about": {
        "en": "The place of the first right picture, with the wrong one that came first instead.",
        "zh": "首张正确图片的名次，以及错误地排在第一的图片。",
    },
    "evaluation_all_right": {
        "en": "Every query has a right picture first, in every way.",
        "zh": "每个句子、每种方式都把正确图片排在了第一。",
    },
    "label_title": {"en": "Label pictures", "zh": "标注图片"},
    "label_lead": {
        "en": "Write a sentence, mark every picture that shows it (Shift marks a range), save, and go on with the "
        "next.",
        "zh": "写一句话，标出所有符合的图片（按住 Shift 可连选），保存，再写下一句。",
    },
    "label_query": {"en": "Which pictures show this?", "zh": "哪些图片符合这句话？"},
    "label_hint": {"en": "A sentence in Chinese, English or both", "zh": "一句话，中文、英文或混合均可"},
    "label_save": {"en": "Save", "zh": "保存"},
    "label_change": {"en": "Save the change", "zh": "保存修改"},
    "label_leave": {"en": "Leave it as it is", "zh": "放弃修改"},
    "label_sets": {"en": "Saved", "zh": "已保存"},
    "label_sure": {"en": "Take “{query}” out of the file?", "zh": "从文件中删除“{query}”？"},
    "label_order": {"en": "Likely ones first", "zh": "可能的排在前"},
    "label_order_stop": {"en": "Stop ordering", "zh": "停止排序"},
    "label_order_about": {
        "en": "The model orders the pictures. What it overlooks then stands far below: look there too, or the labels "
        "will flatter it.",
        "zh": "由模型排列图片。它漏看的会排到很后面：也请看看那里，否则标注会偏向模型。",
    },
    "label_loading": {"en": "Loading the model …", "zh": "正在加载模型……"},
    "label_ordering": {"en": "{done}/{total} pictures judged", "zh": "已评判 {done}/{total} 张"},
    "label_ordered": {
        "en": "The likely ones come first; what the model overlooks stands far below.",
        "zh": "可能符合的已排在前面；模型漏看的会在很后面。",
    },
    "label_stopped": {"en": "Stopped.", "zh": "已停止。"},
    "label_gone": {
        "en": "The program does not answer; start it again, the saved sets are in the file.",
        "zh": "程序没有回应；请重新启动，已保存的内容都在文件中。",
    },
    "labelled_count": {"en": "{name} has {count} sets.", "zh": "{name} 现有 {count} 组。"},
    "labelled_count_one": {"en": "{name} has 1 set.", "zh": "{name} 现有 1 组。"},
    "labelled_saved": {"en": "“{query}” is saved.", "zh": "“{query}”已保存。"},
    "labelled_changed": {"en": "“{query}” is changed.", "zh": "“{query}”已修改。"},
    "labelled_removed": {"en": "“{query}” is taken out.", "zh": "“{query}”已删除。"},
    "labelled_there": {
        "en": "“{query}” is labelled already; press it among the saved ones to change it.",
        "zh": "“{query}”已经标注过；要修改请在已保存的列表中点它。",
    },
    "labelled_moved": {
        "en": "The file was changed meanwhile, and that set is not where it was; look at the saved ones again.",
        "zh": "文件已被改动，这一组不在原处；请重新查看已保存的列表。",
    },
    "labelled_not_plain": {
        "en": "“{query}” says more in {name} than what is right, as grades or an id, which would be lost; change "
        "it there.",
        "zh": "“{query}”在 {name} 中还有等级或编号等信息，在此修改会丢失；请直接修改文件。",
    },
    "labelled_closed": {
        "en": "{name} could not be read or written ({reason}); check its permissions and its disk, then save again.",
        "zh": "无法读写 {name}（{reason}）；请检查权限和磁盘，然后重新保存。",
    },
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


def phrases(prefix: str, language: Language) -> dict[str, str]:
    """Those of `PHRASES` whose keys begin so, by the rest of the key, not filled in: the browser does that."""
    return {key.removeprefix(prefix): texts[language] for key, texts in PHRASES.items() if key.startswith(prefix)}


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
