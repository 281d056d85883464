"""What went wrong, as one sentence for people: what, where, and what to do; in English or Simplified Chinese.

Sentences show names, never folders of the machine, and sizes in units that people use.
"""

import re
from collections.abc import Callable
from typing import Any, Final, Literal

from reranker.core.errors import (
    CheckpointBroken,
    CheckpointError,
    CheckpointMissing,
    CheckpointNotFetched,
    CheckpointUnsupported,
    DatasetError,
    DatasetInvalid,
    DatasetMissing,
    DatasetNumbersInvalid,
    DatasetUnknown,
    DocumentInvalid,
    DownloadFailed,
    Fault,
    FaultReason,
    GeometryUnknown,
    KeyRefused,
    ModelOutOfMemory,
    PictureError,
    PictureForbidden,
    PictureMissing,
    PictureNotFinite,
    PictureOutOfMemory,
    PictureSkipped,
    PictureTooHeavy,
    PictureTooLarge,
    PictureTooNarrow,
    PictureUnjudged,
    PictureUnrated,
    PictureUnreadable,
    PrecisionUnfit,
    QueryEmpty,
    QueryTooLong,
    RequestError,
    RequestMalformed,
    RequestTooLarge,
    RerankerError,
    ResultUnreadable,
    SettingInvalid,
    TextTooLong,
    TicketCancelled,
    TooFewPictures,
    TooManyCallers,
    TooManyPictures,
    TooManyQueries,
)
from reranker.core.types import LoadWarning

Language = Literal["en", "zh"]

# By class and, where one class has several sentences, by the variant that `_VARIANTS` reads from the error.
# In braces: the fields of the error, as `_shown` makes them readable, and the measures of `_MEASURES`.
_SENTENCES: Final[dict[tuple[type[RerankerError], str], dict[Language, str]]] = {
    (RerankerError, ""): {
        "en": "Something went wrong in the program; try again, and look into its log if it happens again.",
        "zh": "程序出错；请重试，若再次出现请查看日志。",
    },
    (PictureError, ""): {
        "en": "“{name}” could not be judged; check the file and try again.",
        "zh": "“{name}”未能评判；请检查该文件后重试。",
    },
    (PictureMissing, ""): {
        "en": "“{name}” was not found, or is not a file; check that it was not moved or deleted, and add it again.",
        "zh": "找不到“{name}”，或者它不是文件；请确认它没有被移动或删除，再重新添加。",
    },
    (PictureForbidden, ""): {
        "en": "“{name}” lies outside the folders that may be opened here; upload it, or move it into one of them.",
        "zh": "“{name}”不在这里允许打开的文件夹内；请上传它，或把它移到允许的文件夹中。",
    },
    (PictureUnreadable, "empty"): {
        "en": "“{name}” is an empty file; export or download it again.",
        "zh": "“{name}”是空文件；请重新导出或下载。",
    },
    (PictureUnreadable, "not a picture"): {
        "en": "“{name}” is not a picture in a format that is read here; "
        "save it as JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF or HEIC.",
        "zh": "“{name}”不是可读取格式的图片；请另存为 JPEG、PNG、WebP、BMP、GIF、TIFF、AVIF 或 HEIC。",
    },
    (PictureUnreadable, "truncated"): {
        "en": "“{name}” ends before its picture does; copy or download the whole file again.",
        "zh": "“{name}”不完整，图片数据中途结束；请重新复制或下载整个文件。",
    },
    (PictureUnreadable, "damaged"): {
        "en": "“{name}” is damaged and cannot be decoded; get another copy, or save it anew in a picture editor.",
        "zh": "“{name}”已损坏，无法解码；请换一份副本，或用图片编辑软件重新保存。",
    },
    (PictureUnreadable, "unsupported"): {
        "en": "“{name}” uses a form of its format that is not read here; save it as an ordinary JPEG or PNG.",
        "zh": "“{name}”使用了其格式中不受支持的形式；请另存为普通的 JPEG 或 PNG。",
    },
    (PictureUnreadable, "no access"): {
        "en": "“{name}” cannot be opened for reading; check its permissions, and that its disk is connected.",
        "zh": "“{name}”无法打开读取；请检查文件权限，并确认所在磁盘已连接。",
    },
    (PictureUnreadable, "no memory"): {
        "en": "“{name}” needs more memory than is left; close other programs, or scale it down.",
        "zh": "剩余内存不足，无法解码“{name}”；请关闭其他程序，或缩小这张图片。",
    },
    (PictureTooHeavy, ""): {
        "en": "“{name}” is {size} {unit}; the limit is {limit} {unit}: scale it down, or compress it more.",
        "zh": "“{name}”有 {size} {unit}，上限为 {limit} {unit}；请缩小尺寸或提高压缩率。",
    },
    (PictureTooLarge, ""): {
        "en": "“{name}” has {width} × {height} pixels, {size} megapixels; the limit is {limit}: scale it down.",
        "zh": "“{name}”为 {width} × {height} 像素，共 {size} 百万像素，上限为 {limit} 百万像素；请缩小尺寸。",
    },
    (PictureTooNarrow, ""): {
        "en": "“{name}” has {width} × {height} pixels, one side {size} times the other; the limit is {limit}: crop it.",
        "zh": "“{name}”为 {width} × {height} 像素，长边是短边的 {size} 倍，上限为 {limit} 倍；请裁剪。",
    },
    (PictureUnjudged, ""): {
        "en": "The model failed on “{name}” ({reason}); rank again, with fewer visual tokens if it fails once more.",
        "zh": "模型未能评判“{name}”（{reason}）；请重新排序，若仍失败请减少视觉 token 数。",
    },
    (PictureNotFinite, ""): {
        "en": "The score of “{name}” came out as no number in {precision}; choose another precision, bf16 or fp32.",
        "zh": "以 {precision} 精度评判“{name}”得到的不是有效数值；请改用其他精度，如 bf16 或 fp32。",
    },
    (PictureUnrated, ""): {
        "en": "Asked for a rating of “{name}”, the model wrote no number: “{words}”; "
        "ask otherwise, or score by yes-no.",
        "zh": "请模型为“{name}”评分，但其回答中没有数字：“{words}”；请换个问法，或改用 yes-no 评分。",
    },
    (PictureOutOfMemory, ""): {
        "en": "“{name}” takes more memory than the device has left, at {visual_tokens} visual tokens; "
        "close other programs that use it, or look less closely.",
        "zh": "以 {visual_tokens} 个视觉 token 评判“{name}”所需的内存超过设备所剩；"
        "请关闭占用设备的其他程序，或降低精细度。",
    },
    (PictureSkipped, ""): {
        "en": "“{name}” was not judged, as the run was stopped before its turn; rank again to have it judged.",
        "zh": "“{name}”尚未评判，因为运行在轮到它之前已停止；如需评判请重新排序。",
    },
    (CheckpointError, ""): {
        "en": "The model cannot be used; choose another one, or download it again.",
        "zh": "模型无法使用；请选择其他模型，或重新下载。",
    },
    (CheckpointMissing, "folder"): {
        "en": "There is no folder “{name}” on this machine, and no model of that name; choose another one.",
        "zh": "本机没有文件夹“{name}”，也没有这个名称的模型；请选择其他模型。",
    },
    (CheckpointNotFetched, ""): {
        "en": "The model “{name}” is not on this machine, or not all of it: its files were looked for in the Hugging "
        "Face cache (HF_HOME); fetch them with `python -m reranker download {name}`.",
        "zh": "本机没有模型“{name}”，或其文件不全（已在 Hugging Face 缓存 HF_HOME 中查找）；"
        "请用命令 `python -m reranker download {name}` 下载。",
    },
    (CheckpointMissing, "file"): {
        "en": "The model “{name}” lacks its file “{missing}”; download it again.",
        "zh": "模型“{name}”缺少文件“{missing}”；请重新下载。",
    },
    (CheckpointBroken, ""): {
        "en": "The file “{file}” of the model “{name}” cannot be read ({reason}); download it again.",
        "zh": "模型“{name}”的文件“{file}”无法读取（{reason}）；请重新下载。",
    },
    (CheckpointBroken, "truncated"): {
        "en": "The file “{file}” of the model “{name}” ends before its weights do; download it again.",
        "zh": "模型“{name}”的文件“{file}”不完整，权重数据中途结束；请重新下载。",
    },
    (CheckpointBroken, "digest"): {
        "en": "The file “{file}” of the model “{name}” arrived with other bytes than the hub has, and was removed; "
        "download it again.",
        "zh": "模型“{name}”的文件“{file}”下载后的内容与服务器不一致，已被删除；请重新下载。",
    },
    (CheckpointBroken, "weights"): {
        "en": "The file “{file}” of the model “{name}” lacks weights that its config.json speaks of, or has them in "
        "another shape; download it again, or choose another model.",
        "zh": "模型“{name}”的文件“{file}”缺少 config.json 所述的权重，或形状不符；请重新下载，或选择其他模型。",
    },
    (CheckpointUnsupported, ""): {
        "en": "The model “{name}” cannot judge pictures here ({reason}); choose a Qwen2.5-VL reranker.",
        "zh": "模型“{name}”不能在这里评判图片（{reason}）；请选择基于 Qwen2.5-VL 的重排序模型。",
    },
    (ModelOutOfMemory, ""): {
        "en": "There is not enough memory left to load the model “{name}” in {precision}; close other programs that "
        "use it, or choose int8, nf4 or a smaller model.",
        "zh": "剩余内存不足，无法以 {precision} 精度加载模型“{name}”；请关闭占用内存的其他程序，"
        "或改用 int8、nf4 或更小的模型。",
    },
    (DownloadFailed, "offline"): {
        "en": "The hub's library was told to stay offline (HF_HUB_OFFLINE), so “{name}” was not fetched; unset it.",
        "zh": "HF_HUB_OFFLINE 要求离线，因此没有下载模型“{name}”；请取消该设置。",
    },
    (DownloadFailed, "no access"): {
        "en": "The Hugging Face cache (HF_HOME) cannot be written to, so “{name}” was not fetched; "
        "check its permissions, or let HF_HOME point elsewhere.",
        "zh": "无法写入 Hugging Face 缓存（HF_HOME），因此没有下载模型“{name}”；请检查权限，或让 HF_HOME 指向别处。",
    },
    (DownloadFailed, "not of the hub"): {
        "en": "“{name}” is no model of the hub, so there is nothing to fetch; name one, such as lychee.",
        "zh": "“{name}”不是可下载的模型名；请给出模型名，例如 lychee。",
    },
    (DownloadFailed, "network"): {
        "en": "The download of “{name}” broke off, or the hub was not reached; check the network and start it again: "
        "it goes on where it stood.",
        "zh": "模型“{name}”的下载中断，或无法连接服务器；请检查网络后重新开始，会从中断处继续。",
    },
    (DownloadFailed, "unknown"): {
        "en": "The hub has no model “{name}”, or not in this revision; check the name.",
        "zh": "服务器上没有模型“{name}”，或没有该版本；请检查名称。",
    },
    (DownloadFailed, "gated"): {
        "en": "The model “{name}” is given only to who accepted its terms on the hub; "
        "accept them there, and log in with `hf auth login`.",
        "zh": "模型“{name}”须先在网站上接受其条款；请接受后用命令 `hf auth login` 登录。",
    },
    (DownloadFailed, "no space"): {
        "en": "There is not enough room on the disk for the files of “{name}”; "
        "free some, or let HF_HOME point to another disk.",
        "zh": "磁盘空间不足，放不下模型“{name}”的文件；请清理磁盘，或让 HF_HOME 指向其他磁盘。",
    },
    (GeometryUnknown, ""): {
        "en": "There is no model of the shape “{name}”; say toybox, 3b, 7b, a folder, or LAYERSxWIDTH with a width "
        "that is a multiple of 128, as in 12x512.",
        "zh": "没有形状为“{name}”的模型；请使用 toybox、3b、7b、文件夹，"
        "或形如 12x512 的“层数x宽度”（宽度为 128 的倍数）。",
    },
    (RequestError, ""): {
        "en": "The request cannot be answered as it was asked; check the sentence and the pictures.",
        "zh": "该请求无法处理；请检查所填的句子和图片。",
    },
    (QueryEmpty, ""): {
        "en": "There is no sentence to judge by; write what the pictures should show.",
        "zh": "还没有填写用来评判的句子；请写下图片应当表现的内容。",
    },
    (QueryTooLong, ""): {
        "en": "The sentence has {length} characters; the limit is {max_length}: shorten it.",
        "zh": "句子有 {length} 个字符，上限为 {max_length} 个；请缩短。",
    },
    (TextTooLong, ""): {
        "en": "The text beside “{name}” has {length} characters; the limit is {max_length}: shorten it.",
        "zh": "“{name}”旁的文字有 {length} 个字符，上限为 {max_length} 个；请缩短。",
    },
    (TooFewPictures, ""): {
        "en": "Too few pictures: {count} given, at least {min_count} needed; add more.",
        "zh": "图片太少：现有 {count} 张，至少需要 {min_count} 张；请继续添加。",
    },
    (TooManyPictures, ""): {
        "en": "Too many pictures: {count} given, at most {max_count} taken; remove some, or rank them in parts.",
        "zh": "图片太多：现有 {count} 张，最多接受 {max_count} 张；请移除一些，或分批排序。",
    },
    (TooManyQueries, ""): {
        "en": "{count} sentences are asked at once; the limit is {max_count}: leave some lines for a second run.",
        "zh": "一次输入了 {count} 个句子，上限为 {max_count} 个；请分几次排序。",
    },
    (DocumentInvalid, "address"): {
        "en": "documents[{index}] is an address, and nothing is fetched here; send the picture itself, as a data URI.",
        "zh": "documents[{index}] 是网址，而这里不会去下载；请直接以 data URI 发送图片。",
    },
    (DocumentInvalid, "text"): {
        "en": "documents[{index}] is a text and no picture; send a data URI (data:image/png;base64,…), or an object "
        "with “image”.",
        "zh": "documents[{index}] 是文本而不是图片；请发送 data URI（data:image/png;base64,…），或带有“image”的对象。",
    },
    (DocumentInvalid, "base64"): {
        "en": "The picture of documents[{index}] is no base64; encode its bytes anew.",
        "zh": "documents[{index}] 的图片不是有效的 base64；请重新编码。",
    },
    (DocumentInvalid, "not one picture"): {
        "en": "documents[{index}] must have one picture among its content parts; send one, as an “image_url”.",
        "zh": "documents[{index}] 的内容中须恰好有一张图片；请以“image_url”发送一张。",
    },
    (RequestMalformed, ""): {
        "en": "The request is not of the form that is taken here, at “{where}”; see /v1/openapi.json.",
        "zh": "请求格式不符合要求，问题在“{where}”；格式见 /v1/openapi.json。",
    },
    (ResultUnreadable, ""): {
        "en": "“{name}” is no ranking that was saved here; choose a JSON file that was taken from this page.",
        "zh": "“{name}”不是本程序保存的排序结果；请选择从此页面导出的 JSON 文件。",
    },
    (RequestTooLarge, ""): {
        "en": "The request has more than {max_mb} MB; send fewer pictures at once, or smaller ones.",
        "zh": "请求超过 {max_mb} MB；请减少一次发送的图片数量，或缩小图片。",
    },
    (KeyRefused, ""): {
        "en": "This server wants its key, as “Authorization: Bearer …”; ask whoever runs it.",
        "zh": "此服务器需要密钥，请以“Authorization: Bearer …”发送；密钥请向管理者索取。",
    },
    (TooManyCallers, ""): {
        "en": "{max_count} callers are waiting already, as many as may; try again in a few seconds.",
        "zh": "已有 {max_count} 个请求在等待，达到上限；请过几秒再试。",
    },
    (DatasetError, ""): {
        "en": "The dataset cannot be used; check it, or choose another one.",
        "zh": "数据集无法使用；请检查，或选择其他数据集。",
    },
    (DatasetMissing, ""): {
        "en": "There is no file or folder “{name}”; check its name, or say toybox for drawn pictures.",
        "zh": "没有文件或文件夹“{name}”；请检查名称，或使用 toybox（程序自己画的图片）。",
    },
    (DatasetUnknown, ""): {
        "en": "“{name}” is of no form of labelled pictures that is read here; give a .jsonl file with one set a line, "
        "a folder with one sub-folder of pictures a query, a folder with queries, qrels and pictures as TREC and BEIR "
        "have it, captions of COCO (.json), Karpathy (.json) or Flickr (.token, .txt, .csv), or toybox.",
        "zh": "“{name}”不是可读取的标注图片格式；请提供：每行一组的 .jsonl 文件，每个查询一个子文件夹的文件夹，"
        "TREC 或 BEIR 格式的文件夹（含 queries、qrels 和图片），COCO（.json）、Karpathy（.json）或 "
        "Flickr（.token、.txt、.csv）的图片描述文件，或 toybox。",
    },
    (DatasetNumbersInvalid, "not taken"): {
        "en": "“{name}” says itself what its sets are; leave out the numbers behind its name.",
        "zh": "“{name}”自身已规定有哪些组；请去掉名称后面的数字。",
    },
    (DatasetNumbersInvalid, "too many"): {
        "en": "There are too many numbers behind “{name}”; write at most three, as in {name}:127:15:0 for "
        "sets, pictures in each, and seed.",
        "zh": "“{name}”后面的数字太多；最多三个，形如 {name}:127:15:0，依次为组数、每组图片数和随机种子。",
    },
    (DatasetNumbersInvalid, "sets"): {
        "en": "The first number behind “{name}” says how many sets are drawn; it should be 1 or more.",
        "zh": "“{name}”后面的第一个数字是抽取的组数；应至少为 1。",
    },
    (DatasetNumbersInvalid, "candidates"): {
        "en": "The second number behind “{name}” says how many pictures a set has; it should be 2 or more.",
        "zh": "“{name}”后面的第二个数字是每组的图片数；应至少为 2。",
    },
    (DatasetInvalid, "one"): {
        "en": "“{name}” cannot be used as it is: {faults}",
        "zh": "“{name}”暂时无法使用：{faults}",
    },
    (DatasetInvalid, "several"): {
        "en": "“{name}” cannot be used as it is: {faults} Faults found beside this one: {more}.",
        "zh": "“{name}”暂时无法使用：{faults}此外还有 {more} 处问题。",
    },
    (PrecisionUnfit, ""): {
        "en": "In {precision} the model gave no picture a score that is a number; "
        "choose another precision, bf16 or fp32.",
        "zh": "以 {precision} 精度，模型对所有图片都没有给出有效数值；请改用其他精度，如 bf16 或 fp32。",
    },
    (SettingInvalid, ""): {
        "en": "The setting “{setting}” is “{value}” but should be {expected}; correct it and start again.",
        "zh": "设置项“{setting}”的值“{value}”无效，应为 {expected}；请更正后重新启动。",
    },
    (TicketCancelled, ""): {
        "en": "The request was cancelled while it waited for its turn; send it again if it is still wanted.",
        "zh": "请求在排队等待时被取消；如仍需要请重新发送。",
    },
}


_REMARKS: Final[dict[LoadWarning, dict[Language, str]]] = {
    "fp16": {
        "en": "This card has no BF16, so the model is loaded in FP16, in which large numbers can overflow.",
        "zh": "此显卡不支持 BF16，模型以 FP16 加载，较大的数值可能溢出。",
    },
    "spread": {
        "en": "The model does not fit one card: its layers are spread over several, which take turns.",
        "zh": "一张显卡放不下整个模型：各层分布在多张显卡上，依次运算。",
    },
    "offloaded": {
        "en": "The model does not fit the card: some layers stay in host memory and are brought with every batch, "
        "which takes a multiple of the time; int8 or nf4 may fit.",
        "zh": "显卡放不下整个模型：部分层留在内存中，每批评判时临时调入，耗时会成倍增加；改用 int8 或 nf4 可能放得下。",
    },
}

# What is wrong, and what to do; in braces the fault's value, as `_shown` makes it readable.
_FAULTS: Final[dict[FaultReason, dict[Language, str]]] = {
    "no access": {
        "en": "it cannot be opened for reading; check its permissions, and that its disk is connected.",
        "zh": "无法打开读取；请检查权限，并确认所在磁盘已连接。",
    },
    "not UTF-8": {
        "en": "this is no text in UTF-8; save it as UTF-8 (spreadsheets and editors may write GBK or UTF-16).",
        "zh": "不是 UTF-8 编码的文本；请另存为 UTF-8（表格软件或编辑器可能存成了 GBK 或 UTF-16）。",
    },
    "not JSON": {
        "en": "this is no valid JSON; look for a comma, quote or bracket that is missing.",
        "zh": "不是有效的 JSON；请检查是否缺少逗号、引号或括号。",
    },
    "not an object": {
        "en": "this is valid JSON, but no object; write names and values between curly brackets.",
        "zh": "是有效的 JSON，但不是对象；请在花括号内写字段名和值。",
    },
    "field": {
        "en": "the field “{value}” is missing, empty, or holds another kind of value; write it as this form has it.",
        "zh": "字段“{value}”缺失、为空，或值的类型不对；请按此格式的要求填写。",
    },
    "columns": {
        "en": "the columns are not “{value}”; put what is missing, or what separates them.",
        "zh": "各列不是“{value}”；请补全缺少的列或分隔符。",
    },
    "file missing": {
        "en": "none of the files “{value}” is in it; add one.",
        "zh": "其中没有“{value}”中的任何一个文件；请添加一个。",
    },
    "several files": {
        "en": "it has several files, and none is “{value}”; give the one that counts this name, or leave only it.",
        "zh": "其中有多个文件，但没有“{value}”；请把要用的文件改成这个名称，或只保留它。",
    },
    "no sets": {
        "en": "there is no query in it whose pictures can be ranked well or badly; add pictures that are right and "
        "pictures that are wrong.",
        "zh": "其中没有可以评出排序好坏的查询；请添加相关和不相关的图片。",
    },
    "empty query": {
        "en": "the query is empty; write what the right pictures show.",
        "zh": "查询为空；请写下相关图片所表现的内容。",
    },
    "id twice": {
        "en": "the id “{value}” is there already; give each its own.",
        "zh": "编号“{value}”已出现过；请为每一项使用不同的编号。",
    },
    "set twice": {
        "en": "the query and the pictures are those of the set “{value}”; remove one of the two.",
        "zh": "查询和图片与“{value}”这一组相同；请删除其中一组。",
    },
    "no pictures": {
        "en": "this folder has no pictures; put some into it, or remove it.",
        "zh": "这个文件夹里没有图片；请放入图片，或删除它。",
    },
    "too few pictures": {
        "en": "pictures to be ranked: {value}; at least 2 are needed.",
        "zh": "可供排序的图片数：{value}；至少需要 2 张。",
    },
    "picture missing": {
        "en": "the picture “{value}” was not found; check that it lies where the file says, counted from its folder.",
        "zh": "找不到图片“{value}”；请检查它是否在文件所写的位置（相对于该文件所在的文件夹）。",
    },
    "pictures elsewhere": {
        "en": "none of its pictures lies beside it, or in a folder there such as “{value}”; put them into one.",
        "zh": "在它旁边以及“{value}”等文件夹中都没有它的图片；请把图片放进其中一个文件夹。",
    },
    "picture twice": {
        "en": "the picture “{value}” is there twice; leave it in once.",
        "zh": "图片“{value}”出现了两次；请只保留一次。",
    },
    "not among the pictures": {
        "en": "“{value}” is marked, but not among the pictures; add it to them, or correct its name.",
        "zh": "“{value}”有标注，但不在图片列表中；请把它加入列表，或更正名称。",
    },
    "no right picture": {
        "en": "no picture is right; mark at least one as relevant.",
        "zh": "没有相关的图片；请至少标注一张为相关。",
    },
    "only right pictures": {
        "en": "all pictures are equally right, so that nothing can be ranked; add some that are wrong.",
        "zh": "所有图片同样相关，无从排序；请添加一些不相关的图片。",
    },
    "relevance": {
        "en": "the relevance “{value}” is no whole number as it should be; write 0 for wrong, 1 and more for right.",
        "zh": "相关度“{value}”不是所需的整数；请用 0 表示不相关，用 1 或更大的整数表示相关。",
    },
    "score": {
        "en": "the score “{value}” is no number; write it in digits.",
        "zh": "分数“{value}”不是数字；请用数字填写。",
    },
    "judged twice": {
        "en": "“{value}” is judged for this query already; leave one of the two lines.",
        "zh": "“{value}”对该查询已有标注；请只保留其中一行。",
    },
    "unknown query": {
        "en": "the queries have no “{value}”; add it to them, or remove this line.",
        "zh": "查询中没有“{value}”；请添加该查询，或删除这一行。",
    },
    "unknown picture": {
        "en": "there is no picture “{value}”; add it, or remove this line.",
        "zh": "没有图片“{value}”；请添加该图片，或删除这一行。",
    },
}
_OF_PICTURES: Final[set[FaultReason]] = {
    "picture missing",
    "picture twice",
    "not among the pictures",
    "unknown picture",
}  # values that may be paths
_LONGEST_VALUE: Final = 100  # characters shown of a value; what is longer is no name

_VARIANTS: Final[dict[type[RerankerError], Callable[[Any], str]]] = {
    PictureUnreadable: lambda error: error.reason,
    CheckpointMissing: lambda error: "folder" if error.missing is None else "file",
    CheckpointBroken: lambda error: error.reason if (CheckpointBroken, error.reason) in _SENTENCES else "",
    DatasetNumbersInvalid: lambda error: error.reason,
    DatasetInvalid: lambda error: "one" if len(error.faults) == 1 else "several",
    DocumentInvalid: lambda error: error.reason,
    DownloadFailed: lambda error: error.reason,
}

_MEASURES: Final[dict[type[RerankerError], Callable[[Any], dict[str, str]]]] = {
    PictureTooHeavy: lambda error: _weights(error.size_bytes, error.max_bytes),
    PictureTooLarge: lambda error: _compared(error.width * error.height / 1e6, error.max_pixels / 1e6),
    PictureTooNarrow: lambda error: _compared(
        max(error.width, error.height) / min(error.width, error.height), error.max_aspect_ratio
    ),
}

_KINDS: Final = {kind for kind, _ in _SENTENCES}
_BYTES_BY_UNIT: Final = {"GB": 1e9, "MB": 1e6, "kB": 1e3}

# Folders from the root of a disk or a share, from home or from here; "vec-ai/lychee-rerank-mm" has none of these.
_FOLDERS: Final = re.compile(r"(?<![\w.-])(?:~|\.{1,2}|[A-Za-z]:)?[\\/](?=\S)(?:[^\\/\s]+(?: +[^\\/\s]+)*[\\/]+)*")


def sentence(error: RerankerError, language: Language) -> str:
    """One line for people. A class without a sentence of its own is spoken of as the class that it derives from."""
    kind = next(kind for kind in type(error).__mro__ if kind in _KINDS)
    variant = _VARIANTS[kind](error) if kind in _VARIANTS else ""
    measures = _MEASURES[kind](error) if kind in _MEASURES else {}
    if isinstance(error, DatasetInvalid):
        measures = {"faults": fault_sentence(error.faults[0], language), "more": f"{len(error.faults) - 1:,}"}
    shown = {field: _shown(value) for field, value in vars(error).items() if field not in measures}
    if isinstance(error, PictureError):
        shown["name"] = _file_name(shown["name"])
    return _SENTENCES[kind, variant][language].format_map(shown | measures)


def fault_sentence(fault: Fault, language: Language) -> str:
    """One line for people, on one thing that is wrong with a dataset: the file and its line, what, and what to do."""
    place = f"“{_shown(fault.file)}”"
    if fault.line is not None:  # as editors count lines, without a separator of thousands
        place += f", line {fault.line}" if language == "en" else f"第 {fault.line} 行"
    value = _shown(_file_name(fault.value) if fault.reason in _OF_PICTURES else fault.value)
    if len(value) > _LONGEST_VALUE:
        value = value[: _LONGEST_VALUE - 1] + "…"
    return place + {"en": ": ", "zh": "："}[language] + _FAULTS[fault.reason][language].format(value=value)


def load_warning_text(remark: LoadWarning, language: Language) -> str:
    """One line for people, on how a model had to be loaded."""
    return _REMARKS[remark][language]


def _shown(value: object) -> str:
    """A field on one line: numbers with their thousands apart, words without folders or invisible characters."""
    if isinstance(value, int):
        return f"{value:,}"
    words = " ".join(_FOLDERS.sub("", str(value)).split())
    return "".join(character if character.isprintable() else "\ufffd" for character in words)


def _file_name(name: str) -> str:
    return re.split(r"[\\/]", name.rstrip("\\/"))[-1]


def _weights(size_bytes: int, max_bytes: int) -> dict[str, str]:
    """Both in the unit that suits the limit, which is decimal: a megabyte is 1,000,000 bytes."""
    unit = next((unit for unit, count in _BYTES_BY_UNIT.items() if max_bytes >= count), "kB")
    count = _BYTES_BY_UNIT[unit]
    return {"unit": unit, **_compared(size_bytes / count, max_bytes / count)}


def _compared(size: float, limit: float) -> dict[str, str]:
    """A size beyond a limit, with as many decimals (1 to 6) as show that it is."""
    sizes = [f"{size:,.{decimals}f}" for decimals in range(1, 7)]
    shown = next((text for text in sizes if float(text.replace(",", "")) > limit), sizes[-1])
    return {"size": shown, "limit": f"{limit:,.6f}".rstrip("0").rstrip(".")}
