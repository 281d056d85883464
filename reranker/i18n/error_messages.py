"""A sentence for every error: what happened, to which file or field, and what to do; in English and Chinese.

Sentences show names of files but never their folders, and sizes in units that people use.
"""

import math
import re
from collections.abc import Callable
from typing import Any, Final, Literal, cast

from reranker.core.errors import (
    ApiKeyRejected,
    BackendFailed,
    BackendRefused,
    CheckpointBroken,
    CheckpointError,
    CheckpointFieldInvalid,
    CheckpointMissing,
    CheckpointNotDownloaded,
    CheckpointUnsupported,
    CheckpointWeightsInvalid,
    ClusterError,
    ClusterUnreachable,
    DatasetError,
    DatasetFormatUnknown,
    DatasetInvalid,
    DatasetMissing,
    DatasetSpecInvalid,
    DetailTooHigh,
    DeviceFailed,
    DeviceMissing,
    DocumentFieldInvalid,
    DocumentInvalid,
    DownloadFailed,
    ExampleInvalid,
    ExampleUnreadable,
    ExampleUnsupported,
    Fault,
    FaultReason,
    FieldRule,
    FilterInvalid,
    HostForeign,
    LabelFileBusy,
    LibraryBusy,
    LibraryEncoderDiffers,
    LibraryMissing,
    LibraryUnreadable,
    LibraryUnwritable,
    LibraryUpdateForbidden,
    LoginRejected,
    LoginRequired,
    MethodUnknown,
    ModelOutOfMemory,
    ModelShapeUnknown,
    NameTemplateInvalid,
    NothingToRetry,
    OriginForeign,
    PathUnknown,
    PictureBeyondContext,
    PictureError,
    PictureFileTooLarge,
    PictureForbidden,
    PictureMissing,
    PictureNeedsMemory,
    PictureOutOfMemory,
    PictureScoreNotFinite,
    PictureSkipped,
    PictureTooLarge,
    PictureTooNarrow,
    PictureUnreadable,
    PictureUnscored,
    PrecisionUnsuitable,
    QuantizationMissing,
    QueriesUnmatched,
    QueryEmpty,
    QueryTooLong,
    RankingUnknown,
    RayMissing,
    ReplicasEnded,
    RequestError,
    RequestMalformed,
    RequestTextTooLarge,
    RequestTimedOut,
    RequestTooLarge,
    RerankerError,
    ResultUnreadable,
    RunActive,
    ServerBusy,
    ServerStopping,
    SessionUnknown,
    SettingInvalid,
    SidecarUnreadable,
    TextNotUnicode,
    TextTooLong,
    TicketCancelled,
    TooFewPictures,
    TooManyAttempts,
    TooManyPictures,
    TooManyQueries,
    TooManyRequests,
    UploadsFull,
    VocabularyError,
    VocabularyInvalid,
    VocabularyMissing,
    WorkerDiffers,
    WorkerFailed,
    WorkerNotStarted,
    WorkerPrecisionDiffers,
    WorkersEnded,
    WorkersMissing,
)
from reranker.core.types import LoadWarning

Language = Literal["en", "zh"]

_DOCUMENT_FORMS: Final[dict[Language, str]] = {
    "en": "Accepted are a data URI or base64, an object with “image” and perhaps “text”, and content parts (one, a "
    "list, or in “content”) of the types “image_url”, “image” and “text”.",
    "zh": "可用的形式：data URI 或 base64；带“image”（可加“text”）的对象；类型为“image_url”“image”或“text”的内容片段"
    "（单个、列表，或放在“content”中）。",
}

# The key is the class and, if one class has several sentences, the variant that `_VARIANTS` reads from the error.
# In braces: the fields of the error, formatted by `_readable`, and the values of `_MEASURES`.
_SENTENCES: Final[dict[tuple[type[RerankerError], str], dict[Language, str]]] = {
    (RerankerError, ""): {
        "en": "An unexpected error occurred; try again, and check the log if it happens again.",
        "zh": "程序出错；请重试，若再次出错请查看日志。",
    },
    (PictureError, ""): {
        "en": "“{name}” could not be scored; check the file and try again.",
        "zh": "无法为“{name}”评分；请检查文件后重试。",
    },
    (PictureMissing, ""): {
        "en": "“{name}” was not found or is not a file; check that it was not moved or deleted, then add it again.",
        "zh": "找不到“{name}”，或它不是文件；请确认它未被移动或删除，然后重新添加。",
    },
    (PictureForbidden, ""): {
        "en": "“{name}” is outside the folders that this server may open; upload it, or move it into one of them.",
        "zh": "“{name}”不在服务器可以打开的文件夹内；请上传，或移到其中一个文件夹。",
    },
    (PictureUnreadable, "empty"): {
        "en": "“{name}” is an empty file; export or download it again.",
        "zh": "“{name}”是空文件；请重新导出或下载。",
    },
    (PictureUnreadable, "not a picture"): {
        "en": "“{name}” is not a picture in a supported format; "
        "save it as JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF or HEIC.",
        "zh": "“{name}”不是受支持的图片格式；请另存为 JPEG、PNG、WebP、BMP、GIF、TIFF、AVIF 或 HEIC。",
    },
    (PictureUnreadable, "truncated"): {
        "en": "“{name}” is incomplete; copy or download the file again.",
        "zh": "“{name}”不完整；请重新复制或下载该文件。",
    },
    (PictureUnreadable, "damaged"): {
        "en": "“{name}” is damaged and cannot be decoded; get another copy, or save it again in a picture editor.",
        "zh": "“{name}”已损坏，无法解码；请换一份文件，或用图片编辑软件重新保存。",
    },
    (PictureUnreadable, "unsupported"): {
        "en": "“{name}” uses a variant of its format that is not supported; save it as an ordinary JPEG or PNG.",
        "zh": "“{name}”采用了不受支持的格式变体；请另存为普通的 JPEG 或 PNG。",
    },
    (PictureUnreadable, "no access"): {
        "en": "“{name}” cannot be opened; check its permissions and that its disk is connected.",
        "zh": "无法打开“{name}”；请检查文件权限，并确认磁盘已连接。",
    },
    (PictureUnreadable, "no memory"): {
        "en": "There is too little memory to decode “{name}”; close other programs, or scale the picture down.",
        "zh": "内存不足，无法解码“{name}”；请关闭其他程序，或缩小图片。",
    },
    (PictureUnreadable, "too slow"): {
        "en": "“{name}” takes too long to decode; save it as an ordinary JPEG or PNG, or scale it down.",
        "zh": "“{name}”解码耗时过长；请另存为普通的 JPEG 或 PNG，或缩小尺寸。",
    },
    (PictureFileTooLarge, ""): {
        "en": "“{name}” is {size} {unit}; the limit is {limit} {unit}: scale it down, or compress it more.",
        "zh": "“{name}”大小为 {size} {unit}，上限为 {limit} {unit}；请缩小尺寸或提高压缩率。",
    },
    (PictureTooLarge, ""): {
        "en": "“{name}” has {width} × {height} pixels, {size} megapixels; the limit is {limit} megapixels: "
        "scale it down.",
        "zh": "“{name}”为 {width} × {height} 像素，即 {size} 百万像素，上限为 {limit} 百万像素；请缩小尺寸。",
    },
    (PictureNeedsMemory, ""): {
        "en": "“{name}” has {width} × {height} pixels and takes {size} MB of memory to decode; the limit is {limit} "
        "MB: scale it down, or save it as an ordinary JPEG.",
        "zh": "“{name}”为 {width} × {height} 像素，解码需要 {size} MB 内存，上限为 {limit} MB；"
        "请缩小尺寸，或另存为普通的 JPEG。",
    },
    (PictureTooNarrow, ""): {
        "en": "“{name}” has {width} × {height} pixels, one side {size} times the other; the limit is {limit}: crop it.",
        "zh": "“{name}”为 {width} × {height} 像素，长边是短边的 {size} 倍，上限为 {limit} 倍；请裁剪图片。",
    },
    (PictureUnscored, ""): {
        "en": "The model failed on “{name}” ({reason}); rank again, and choose a lower detail if it fails again.",
        "zh": "模型处理“{name}”时出错（{reason}）；请重新排序，若再次出错请降低精细度。",
    },
    (WorkersEnded, ""): {
        "en": "Every worker that was given “{name}” has ended; rank again, and leave this picture out if it happens "
        "again.",
        "zh": "处理“{name}”的工作进程都意外退出；请重新排序，若再次发生请移除这张图片。",
    },
    (PictureScoreNotFinite, "half"): {
        "en": "The score of “{name}” is not a finite number in {precision}; choose the precision {others}.",
        "zh": "以 {precision} 精度计算时，“{name}”的分数不是有效数值；请改用 {others} 精度。",
    },
    (PictureScoreNotFinite, "full"): {
        "en": "The score of “{name}” is not a finite number even in {precision}, so the files of the model are "
        "probably damaged; download the model again, or choose another one.",
        "zh": "即使以 {precision} 精度计算，“{name}”的分数也不是有效数值，模型文件很可能已损坏；"
        "请重新下载，或选择其他模型。",
    },
    (PictureOutOfMemory, ""): {
        "en": "The device has too little memory to score “{name}” at {visual_tokens} visual tokens; "
        "close other programs that use it, or choose a lower detail.",
        "zh": "设备内存不足，无法以 {visual_tokens} 个视觉 token 为“{name}”评分；"
        "请关闭占用设备的其他程序，或降低精细度。",
    },
    (PictureBeyondContext, ""): {
        "en": "“{name}” has {visual_tokens} visual tokens and {text_tokens} tokens of text, but the model reads "
        "{max_tokens} tokens in all; shorten the sentence or the text of the picture, or choose a lower detail.",
        "zh": "“{name}”有 {visual_tokens} 个视觉 token 和 {text_tokens} 个文字 token，而模型总共只能读取 "
        "{max_tokens} 个；请缩短句子或图片的文字，或降低精细度。",
    },
    (PictureBeyondContext, "example"): {
        "en": "“{name}” has {visual_tokens} visual tokens, the example has {example_tokens}, and there are "
        "{text_tokens} tokens of text, but the model reads {max_tokens} tokens in all; choose a lower detail, or "
        "shorten the sentence or the text of the picture.",
        "zh": "“{name}”有 {visual_tokens} 个视觉 token，示例图片有 {example_tokens} 个，"
        "另有 {text_tokens} 个文字 token，而模型总共只能读取 {max_tokens} 个；请降低精细度，或缩短句子或图片的文字。",
    },
    (PictureSkipped, ""): {
        "en": "“{name}” was not scored because the run was stopped; rank again to score it.",
        "zh": "排序已停止，“{name}”尚未评分；如需评分请重新排序。",
    },
    (CheckpointError, ""): {
        "en": "The model “{name}” cannot be used; choose another one, or download it again.",
        "zh": "模型“{name}”无法使用；请选择其他模型，或重新下载。",
    },
    (CheckpointMissing, "folder"): {
        "en": "There is no folder “{name}” on this machine, and no model of that name is known; "
        "check the name, or choose another model.",
        "zh": "本机没有文件夹“{name}”，也没有同名的模型；请检查名称，或选择其他模型。",
    },
    (CheckpointMissing, "file"): {
        "en": "The file “{missing}” of the model “{name}” is missing; download the model again.",
        "zh": "模型“{name}”缺少文件“{missing}”；请重新下载。",
    },
    (CheckpointMissing, "preprocessing"): {
        "en": "The model “{name}” has neither preprocessor_config.json nor a processor_config.json with the field "
        "image_processor, which say how to prepare pictures; download the model again.",
        "zh": "模型“{name}”既没有 preprocessor_config.json，也没有含 image_processor 字段的 processor_config.json，"
        "无法得知如何预处理图片；请重新下载。",
    },
    (CheckpointNotDownloaded, ""): {
        "en": "The model “{name}” is not on this machine, or some of its files are missing from the Hugging Face cache "
        "(HF_HOME); download it with `python -m reranker download {name}`.",
        "zh": "本机没有模型“{name}”，或 Hugging Face 缓存（HF_HOME）中的文件不全；"
        "请用命令 `python -m reranker download {name}` 下载。",
    },
    (CheckpointBroken, ""): {
        "en": "The file “{file}” of the model “{name}” cannot be read ({reason}); download the model again.",
        "zh": "模型“{name}”的文件“{file}”无法读取（{reason}）；请重新下载。",
    },
    (CheckpointBroken, "truncated"): {
        "en": "The file “{file}” of the model “{name}” is incomplete; download the model again.",
        "zh": "模型“{name}”的文件“{file}”不完整；请重新下载。",
    },
    (CheckpointBroken, "digest"): {
        "en": "The file “{file}” of the model “{name}” was removed because its checksum differs from that on the hub; "
        "download the model again.",
        "zh": "模型“{name}”的文件“{file}”与服务器的校验和不一致，已被删除；请重新下载。",
    },
    (CheckpointFieldInvalid, ""): {
        "en": "In the file “{file}” of the model “{name}”, “{field}” must be {reason}; correct it, or download the "
        "model again.",
        "zh": "模型“{name}”的文件“{file}”中，“{field}”应为{reason}；请更正，或重新下载模型。",
    },
    (CheckpointWeightsInvalid, "missing"): {
        "en": "The file “{file}” of the model “{name}” lacks the weight “{weight}” of the shape {expected}, which its "
        "config.json requires; download the model again, or choose another one.",
        "zh": "模型“{name}”的文件“{file}”缺少 config.json 要求的权重“{weight}”（形状为 {expected}）；"
        "请重新下载，或选择其他模型。",
    },
    (CheckpointWeightsInvalid, "several missing"): {
        "en": "The file “{file}” of the model “{name}” lacks the weight “{weight}” of the shape {expected}, which its "
        "config.json requires, and further weights are missing or misshapen: {more}; download the model "
        "again, or choose another one.",
        "zh": "模型“{name}”的文件“{file}”缺少 config.json 要求的权重“{weight}”（形状为 {expected}），"
        "另有 {more} 个权重缺失或形状不符；请重新下载，或选择其他模型。",
    },
    (CheckpointWeightsInvalid, "shape"): {
        "en": "In the file “{file}” of the model “{name}”, the weight “{weight}” has the shape {found}, but its "
        "config.json requires {expected}; download the model again, or choose another one.",
        "zh": "模型“{name}”的文件“{file}”中，权重“{weight}”的形状为 {found}，而 config.json 要求 {expected}；"
        "请重新下载，或选择其他模型。",
    },
    (CheckpointWeightsInvalid, "several shape"): {
        "en": "In the file “{file}” of the model “{name}”, the weight “{weight}” has the shape {found}, but its "
        "config.json requires {expected}, and further weights are missing or misshapen: {more}; download the model "
        "again, or choose another one.",
        "zh": "模型“{name}”的文件“{file}”中，权重“{weight}”的形状为 {found}，而 config.json 要求 {expected}，"
        "另有 {more} 个权重缺失或形状不符；请重新下载，或选择其他模型。",
    },
    (CheckpointUnsupported, ""): {
        "en": "The model “{name}” cannot be used here ({reason}); choose another one.",
        "zh": "模型“{name}”不能用于此处（{reason}）；请另选一个模型。",
    },
    (QuantizationMissing, ""): {
        "en": "The model “{name}” cannot be loaded in {precision}, as bitsandbytes is not installed; run "
        "pip install 'picture-reranker[quant]', or choose another precision.",
        "zh": "尚未安装 bitsandbytes，无法以 {precision} 精度加载模型“{name}”；请运行 "
        "pip install 'picture-reranker[quant]' 安装，或改用其他精度。",
    },
    (BackendFailed, ""): {
        "en": "The model “{name}” cannot run on the backend {backend} ({reason}); choose the backend torch.",
        "zh": "模型“{name}”无法用后端 {backend} 运行（{reason}）；请改用后端 torch。",
    },
    (BackendFailed, "package"): {
        "en": "The model “{name}” cannot run on the backend {backend}, as ONNX Runtime is not installed; run "
        "pip install 'picture-reranker[library]', or choose the backend torch.",
        "zh": "尚未安装 ONNX Runtime，模型“{name}”无法用后端 {backend} 运行；请运行 "
        "pip install 'picture-reranker[library]' 安装，或改用后端 torch。",
    },
    (BackendFailed, "provider"): {
        "en": "The model “{name}” cannot run on the backend {backend}, as the installed ONNX Runtime cannot use this "
        "GPU; choose the device cpu or the backend torch.",
        "zh": "已安装的 ONNX Runtime 不能使用此显卡，模型“{name}”无法用后端 {backend} 运行；"
        "请改用设备 cpu 或后端 torch。",
    },
    (BackendFailed, "precision"): {
        "en": "The model “{name}” does not run in this precision on the backend {backend}; choose the precision "
        "fp32 or auto, or the backend torch.",
        "zh": "模型“{name}”在后端 {backend} 上不支持此精度；请改用精度 fp32 或 auto，或改用后端 torch。",
    },
    (BackendFailed, "disk"): {
        "en": "The model “{name}” cannot run on the backend {backend}, as its files cannot be written to the cache "
        "folder or read from it; free some space, check the permissions, or choose the backend torch.",
        "zh": "无法在缓存文件夹中读写模型文件，模型“{name}”不能用后端 {backend} 运行；"
        "请腾出空间、检查权限，或改用后端 torch。",
    },
    (BackendRefused, "cosine"): {
        "en": "The model “{name}” is not run on the backend {backend}, as its vectors differ too much from those of "
        "torch (the lowest cosine is {found}, and must be at least {least}); choose the backend torch.",
        "zh": "模型“{name}”在后端 {backend} 上的向量与 torch 相差太大（最低余弦为 {found}，应不低于 {least}），"
        "因此不予使用；请改用后端 torch。",
    },
    (BackendRefused, "recall"): {
        "en": "The model “{name}” is not run on the backend {backend}, as it finds too few of the pictures that torch "
        "finds (a share of {found}, which must be at least {least}); choose the backend onnx or torch.",
        "zh": "模型“{name}”在后端 {backend} 上找到的图片与 torch 相差太大（一致的比例为 {found}，应不低于 {least}），"
        "因此不予使用；请改用后端 onnx 或 torch。",
    },
    (ModelOutOfMemory, ""): {
        "en": "There is too little memory to load the model “{name}” in {precision}; close other programs, "
        "or choose int8, nf4 or a smaller model.",
        "zh": "内存不足，无法以 {precision} 精度加载模型“{name}”；请关闭其他程序，或改用 int8、nf4 或更小的模型。",
    },
    (DownloadFailed, "offline"): {
        "en": "The model “{name}” was not downloaded because HF_HUB_OFFLINE is set; unset it and try again.",
        "zh": "由于设置了 HF_HUB_OFFLINE，没有下载模型“{name}”；请取消该设置后重试。",
    },
    (DownloadFailed, "no access"): {
        "en": "The model “{name}” was not downloaded because the Hugging Face cache (HF_HOME) cannot be written; "
        "check its permissions, or set HF_HOME to another folder.",
        "zh": "由于无法写入 Hugging Face 缓存（HF_HOME），没有下载模型“{name}”；"
        "请检查权限，或将 HF_HOME 设为其他文件夹。",
    },
    (DownloadFailed, "not on the hub"): {
        "en": "“{name}” is not the name of a model on the hub; give one, such as lychee.",
        "zh": "“{name}”不是可下载的模型名；请给出模型名，例如 lychee。",
    },
    (DownloadFailed, "network"): {
        "en": "The download of “{name}” stopped because the hub could not be reached or the connection was lost; "
        "check the network and start it again, and it resumes.",
        "zh": "无法连接服务器或连接中断，模型“{name}”未下载完；请检查网络后重新开始，会从中断处继续。",
    },
    (DownloadFailed, "unknown"): {
        "en": "The hub has no model “{name}”, or no such revision of it; check the names.",
        "zh": "服务器上没有模型“{name}”，或没有该版本；请检查名称。",
    },
    (DownloadFailed, "gated"): {
        "en": "The hub requires that you accept the terms of the model “{name}”; "
        "accept them on its page, then log in with `hf auth login`.",
        "zh": "下载模型“{name}”须先在其网页上接受条款；请接受后用命令 `hf auth login` 登录。",
    },
    (DownloadFailed, "no space"): {
        "en": "The disk has too little space for the files of “{name}”; "
        "free some, or set HF_HOME to a folder on another disk.",
        "zh": "磁盘空间不足，放不下模型“{name}”的文件；请清理磁盘，或将 HF_HOME 设为其他磁盘上的文件夹。",
    },
    (ModelShapeUnknown, ""): {
        "en": "There is no model shape “{name}”; use toybox, 3b, 7b, a folder, or LAYERSxWIDTH, such as 12x512, with "
        "up to 128 layers and a width up to 16,384 that is a multiple of 128.",
        "zh": "没有名为“{name}”的模型形状；请使用 toybox、3b、7b、文件夹，"
        "或形如 12x512 的“层数x宽度”（层数不超过 128，宽度为 128 的倍数且不超过 16,384）。",
    },
    (RequestError, ""): {
        "en": "The request cannot be processed; check the sentence and the pictures.",
        "zh": "无法处理该请求；请检查句子和图片。",
    },
    (QueryEmpty, ""): {
        "en": "The sentence is empty; write what the pictures should show.",
        "zh": "句子为空；请写出想找什么样的图片。",
    },
    (QueryTooLong, ""): {
        "en": "The sentence has {length} characters; the limit is {max_length}: shorten it.",
        "zh": "句子有 {length} 个字符，上限为 {max_length} 个；请缩短。",
    },
    (TextTooLong, ""): {
        "en": "The text of “{name}” has {length} characters; the limit is {max_length}: shorten it.",
        "zh": "“{name}”的文字有 {length} 个字符，上限为 {max_length} 个；请缩短。",
    },
    (TextNotUnicode, ""): {
        "en": "The text of “{where}” is not valid Unicode; save or send it as UTF-8.",
        "zh": "“{where}”的文本不是有效的 Unicode；请以 UTF-8 保存或发送。",
    },
    (TooFewPictures, ""): {
        "en": "Too few pictures: {count} given, at least {min_count} needed; add more.",
        "zh": "图片太少：现有 {count} 张，至少需要 {min_count} 张；请继续添加。",
    },
    (TooManyPictures, ""): {
        "en": "Too many pictures: {count} given, at most {max_count} allowed; remove some, or rank them in several "
        "runs.",
        "zh": "图片太多：现有 {count} 张，最多接受 {max_count} 张；请移除一些，或分批排序。",
    },
    (TooManyQueries, ""): {
        "en": "Too many sentences: {count} given, at most {max_count} allowed; rank them in several runs.",
        "zh": "句子太多：共 {count} 个，最多接受 {max_count} 个；请分几次排序。",
    },
    (ExampleUnreadable, ""): {
        "en": "The example picture cannot be used: {reason}",
        "zh": "示例图片无法使用：{reason}",
    },
    (ExampleUnsupported, ""): {
        "en": "The model “{model}” was not trained to find pictures by an example; describe in a sentence what you "
        "look for, or choose a model that was, such as lychee.",
        "zh": "模型“{model}”没有学习过按示例图片查找；请用文字描述要找的图片，或选择支持示例图片的模型，例如 lychee。",
    },
    (ExampleInvalid, "address"): {
        "en": "The picture in “{where}” is an address, and this server downloads nothing; send the picture itself, as "
        "a data URI or base64.",
        "zh": "“{where}”中的图片是网址，而服务器不会下载任何内容；请以 data URI 或 base64 直接发送图片。",
    },
    (ExampleInvalid, "base64"): {
        "en": "The picture in “{where}” is not valid base64; encode its bytes again.",
        "zh": "“{where}”中的图片不是有效的 base64；请重新编码图片。",
    },
    (ExampleInvalid, "several pictures"): {
        "en": "“{where}” has several pictures, but a query has one at most; send one of them.",
        "zh": "“{where}”中有多张图片，而一个查询最多只能有一张；请只发送其中一张。",
    },
    (QueriesUnmatched, ""): {
        "en": "There are {count} queries for {document_count} documents; send one query, or one for each document.",
        "zh": "查询有 {count} 个，文档有 {document_count} 个；请发送一个查询，或为每个文档发送一个查询。",
    },
    (DocumentInvalid, "address"): {
        "en": "documents[{index}] is an address, and this server downloads nothing; send the picture itself. "
        + _DOCUMENT_FORMS["en"],
        "zh": "documents[{index}] 是网址，而服务器不会下载任何内容；请直接发送图片。" + _DOCUMENT_FORMS["zh"],
    },
    (DocumentInvalid, "text"): {
        "en": "documents[{index}] is text, not a picture; send a picture. " + _DOCUMENT_FORMS["en"],
        "zh": "documents[{index}] 是文本而不是图片；请发送图片。" + _DOCUMENT_FORMS["zh"],
    },
    (DocumentInvalid, "base64"): {
        "en": "documents[{index}] is not valid base64; encode the bytes of the picture again. " + _DOCUMENT_FORMS["en"],
        "zh": "documents[{index}] 不是有效的 base64；请重新编码图片。" + _DOCUMENT_FORMS["zh"],
    },
    (DocumentInvalid, "not one picture"): {
        "en": "documents[{index}] must contain exactly one picture; send each picture as a document of its own. "
        + _DOCUMENT_FORMS["en"],
        "zh": "documents[{index}] 的内容中须恰好有一张图片；请把每张图片作为单独的文档发送。" + _DOCUMENT_FORMS["zh"],
    },
    (DocumentFieldInvalid, ""): {
        "en": "documents[{index}] is wrong at “{field}”; correct or remove it. " + _DOCUMENT_FORMS["en"],
        "zh": "documents[{index}] 的“{field}”有误；请更正或删除。" + _DOCUMENT_FORMS["zh"],
    },
    (DocumentInvalid, "form"): {
        "en": "documents[{index}] has a form that is not accepted; send it in another one. " + _DOCUMENT_FORMS["en"],
        "zh": "documents[{index}] 的形式不受支持；请换一种形式发送。" + _DOCUMENT_FORMS["zh"],
    },
    (FilterInvalid, ""): {
        "en": "The filter “{filter}” is “{value}” but must be {expected}; correct it.",
        "zh": "筛选条件“{filter}”的值“{value}”无效；请改为 {expected}。",
    },
    (RequestMalformed, ""): {
        "en": "The request does not match the schema at “{where}”; see /v1/openapi.json.",
        "zh": "请求格式有误，位置在“{where}”；格式说明见 /v1/openapi.json。",
    },
    (SessionUnknown, ""): {
        "en": "This session has ended; reload the page to start a new one.",
        "zh": "这个会话已结束；请刷新页面，开始新的会话。",
    },
    (RankingUnknown, ""): {
        "en": "This ranking or picture is not there any more; reload the page.",
        "zh": "该排序或图片已不存在；请刷新页面。",
    },
    (RunActive, ""): {
        "en": "A ranking is running; wait for its end, or stop it.",
        "zh": "正在排序；请等待结束，或先停止。",
    },
    (NothingToRetry, ""): {
        "en": "No picture is left that could be scored in another try; the reasons are listed with the ranking.",
        "zh": "没有可以重试的图片；原因列在该排序中。",
    },
    (NameTemplateInvalid, "empty"): {
        "en": "Nothing can be seen in the template for file names, “{template}”; write a text with fields, each in "
        "curly brackets: rank, score, name, stem or query.",
        "zh": "文件名模板“{template}”中没有可见的内容；请写出含有字段的文本，每个字段放在花括号内：rank、score、name、"
        "stem 或 query。",
    },
    (NameTemplateInvalid, "too long"): {
        "en": "The template for file names, “{template}”, is longer than such names can be; shorten it.",
        "zh": "文件名模板“{template}”太长，超过了文件名的长度；请缩短。",
    },
    (NameTemplateInvalid, "braces"): {
        "en": "A curly bracket of the template for file names, “{template}”, has no counterpart; put each field in a "
        "pair of them.",
        "zh": "文件名模板“{template}”中的花括号不成对；请把每个字段放在一对花括号之间。",
    },
    (NameTemplateInvalid, "field"): {
        "en": "The template for file names, “{template}”, has a field that is not known; between curly brackets, write "
        "only rank, score, name, stem or query.",
        "zh": "文件名模板“{template}”中有未知的字段；花括号内只能写 rank、score、name、stem 或 query。",
    },
    (ResultUnreadable, ""): {
        "en": "“{name}” is not a ranking saved by this program; choose a JSON file that you downloaded from this page, "
        "or that the command `rank` wrote.",
        "zh": "“{name}”不是本程序保存的排序；请选择从此页面下载的，或由命令 `rank` 写出的 JSON 文件。",
    },
    (RequestTooLarge, ""): {
        "en": "The request is larger than {max_mb} MB; send fewer or smaller pictures.",
        "zh": "请求超过 {max_mb} MB；请减少图片数量，或缩小图片。",
    },
    (RequestTextTooLarge, ""): {
        "en": "Without its pictures, the request still has more than {max_mb} MB or {max_values} values; "
        "send fewer documents or shorter texts.",
        "zh": "请求除图片外的内容超过 {max_mb} MB 或 {max_values} 个值；请减少文档数量，或缩短文本。",
    },
    (RequestTimedOut, ""): {
        "en": "The request did not arrive in time; check the connection, and send it again.",
        "zh": "请求未能及时送达；请检查网络连接后重新发送。",
    },
    (PathUnknown, ""): {
        "en": "This server has nothing at this address; the interfaces are described in docs/interfaces.md.",
        "zh": "服务器上没有这个地址；接口说明见 docs/interfaces.md。",
    },
    (MethodUnknown, ""): {
        "en": "This address does not accept this HTTP method; the header Allow lists those that it accepts.",
        "zh": "此地址不接受这种 HTTP 方法；可用的方法见响应头 Allow。",
    },
    (HostForeign, ""): {
        "en": "This server answers under the names of this machine only, such as localhost; use one of them, or start "
        "the server with another host.",
        "zh": "服务器只接受以本机名称（如 localhost）发来的请求；请改用本机名称，或在启动服务器时指定其他主机地址。",
    },
    (OriginForeign, ""): {
        "en": "The page of another site has sent this request, so it was refused; open this server's own page, "
        "or send the request from a program.",
        "zh": "请求来自其他网站的页面，已拒绝；请打开本服务器自己的页面，或由程序发送请求。",
    },
    (LibraryUpdateForbidden, ""): {
        "en": "Libraries can be updated only on the computer that runs the program, while nobody else can reach it; "
        "elsewhere call `python -m reranker index`.",
        "zh": "只有在运行本程序的电脑上，且程序不对他人开放时，才能更新图库；"
        "其他情况请运行 `python -m reranker index`。",
    },
    (LoginRequired, ""): {
        "en": "This needs a login; open the page and log in.",
        "zh": "此操作需要登录；请打开页面并登录。",
    },
    (LoginRejected, ""): {
        "en": "The name or the password is wrong; try again.",
        "zh": "用户名或密码错误；请重试。",
    },
    (ApiKeyRejected, ""): {
        "en": "The API key is missing or wrong; send it as “Authorization: Bearer …”. "
        "The administrator of this server has the key.",
        "zh": "API 密钥缺失或错误；请以“Authorization: Bearer …”发送，密钥可向服务器管理员索取。",
    },
    (TooManyAttempts, ""): {
        "en": "Too many wrong passwords or keys came from your address; try again in {wait_s} s.",
        "zh": "来自您所在地址的错误密码或密钥过多；请在 {wait_s} 秒后重试。",
    },
    (ServerBusy, ""): {
        "en": "The server is receiving as many bytes as it can hold; try again in a few seconds.",
        "zh": "服务器正在接收的数据已达上限；请过几秒再试。",
    },
    (TooManyRequests, ""): {
        "en": "The queue is full ({max_count} waiting); try again in a few seconds.",
        "zh": "队列已满（{max_count} 个请求在等待）；请过几秒再试。",
    },
    (UploadsFull, ""): {
        "en": "This server has no room for more pictures; close tabs of this page that you do not need, or try again "
        "later.",
        "zh": "服务器没有空间存放更多图片；请关闭不需要的本页面标签，或稍后重试。",
    },
    (SidecarUnreadable, ""): {
        "en": "The file “{name}” is damaged or no XMP, so no keywords were added to it; repair it, or move it away.",
        "zh": "文件“{name}”已损坏或不是 XMP，未写入关键词；请修复或移走该文件。",
    },
    (LabelFileBusy, ""): {
        "en": "“{name}” is being changed by another program, so nothing was saved; try again in a moment, and close "
        "the other program if that does not help.",
        "zh": "“{name}”正被其他程序修改，未能保存；请稍后重试，若仍不行请关闭该程序。",
    },
    (DatasetError, ""): {
        "en": "The dataset “{name}” cannot be used; check it, or choose another one.",
        "zh": "数据集“{name}”无法使用；请检查，或选择其他数据集。",
    },
    (DatasetMissing, ""): {
        "en": "There is no file or folder “{name}”; check the name, or use the built-in dataset toybox.",
        "zh": "没有文件或文件夹“{name}”；请检查名称，或使用内置数据集 toybox。",
    },
    (DatasetFormatUnknown, ""): {
        "en": "“{name}” is not in a supported dataset format; give a .jsonl file with one labelled query a line, a "
        "folder with one sub-folder of pictures for each query, a folder in TREC or BEIR format (queries, qrels and "
        "pictures), a file of captions in COCO (.json), Karpathy (.json) or Flickr (.token, .txt, .csv) format, "
        "or toybox.",
        "zh": "“{name}”不是受支持的数据集格式；请提供：每行一个标注查询的 .jsonl 文件，每个查询一个子文件夹的文件夹，"
        "TREC 或 BEIR 格式的文件夹（含 queries、qrels 和图片），COCO（.json）、Karpathy（.json）或 "
        "Flickr（.token、.txt、.csv）格式的图片描述文件，或 toybox。",
    },
    (DatasetSpecInvalid, "not allowed"): {
        "en": "The sets of “{name}” are fixed; remove the numbers after its name.",
        "zh": "“{name}”的分组是固定的；请去掉名称后面的数字。",
    },
    (DatasetSpecInvalid, "too many"): {
        "en": "There are too many numbers after “{name}”; write at most three, as in {name}:127:15:0, for the number "
        "of sets, the pictures in each and the seed.",
        "zh": "“{name}”后面的数字太多；最多三个，形如 {name}:127:15:0，依次为组数、每组图片数和随机种子。",
    },
    (DatasetSpecInvalid, "sets"): {
        "en": "The first number after “{name}” is the number of sets to draw; it must be 1 or more.",
        "zh": "“{name}”后面的第一个数字是抽取的组数；须不小于 1。",
    },
    (DatasetSpecInvalid, "candidates"): {
        "en": "The second number after “{name}” is the number of pictures in a set; it must be 2 or more.",
        "zh": "“{name}”后面的第二个数字是每组的图片数；须不小于 2。",
    },
    (DatasetSpecInvalid, "scenes"): {
        "en": "After “{name}” stand the number of scenes to draw, at least 1, and perhaps a seed, as in {name}:300:0; "
        "correct them.",
        "zh": "“{name}”后面应是要绘制的场景数（不小于 1），还可加随机种子，形如 {name}:300:0；请更正。",
    },
    (DatasetInvalid, "one"): {
        "en": "“{name}” cannot be used: {faults}",
        "zh": "“{name}”无法使用：{faults}",
    },
    (DatasetInvalid, "several"): {
        "en": "“{name}” cannot be used: {faults} Further faults: {more}.",
        "zh": "“{name}”无法使用：{faults}另有 {more} 处错误。",
    },
    (VocabularyError, ""): {
        "en": "The labels “{name}” cannot be used; check the file.",
        "zh": "标签“{name}”无法使用；请检查文件。",
    },
    (VocabularyMissing, ""): {
        "en": "There are no labels “{name}”; write general, aerial, or the path to a text, CSV or JSON Lines file.",
        "zh": "没有名为“{name}”的标签；请填写 general、aerial，或文本、CSV、JSON Lines 文件的路径。",
    },
    (VocabularyInvalid, "one"): {
        "en": "The labels “{name}” cannot be used: {faults}",
        "zh": "标签“{name}”无法使用：{faults}",
    },
    (VocabularyInvalid, "several"): {
        "en": "The labels “{name}” cannot be used: {faults} Further faults: {more}.",
        "zh": "标签“{name}”无法使用：{faults}另有 {more} 处错误。",
    },
    (PrecisionUnsuitable, "half"): {
        "en": "No picture got a finite score in {precision}; choose the precision {others}.",
        "zh": "以 {precision} 精度计算时，没有一张图片得到有效分数；请改用 {others} 精度。",
    },
    (PrecisionUnsuitable, "full"): {
        "en": "No picture got a finite score even in {precision}, so the files of the model are probably damaged; "
        "download the model again, or choose another one.",
        "zh": "即使以 {precision} 精度计算，也没有一张图片得到有效分数，模型文件很可能已损坏；"
        "请重新下载，或选择其他模型。",
    },
    (DeviceMissing, "build"): {
        "en": "The setting “device” is “{device}”, but the installed torch computes on the CPU only; choose cpu or "
        "auto, or install a build of torch for CUDA.",
        "zh": "设置项“device”的值为“{device}”，但已安装的 torch 只能用 CPU 计算；请改用 cpu 或 auto，"
        "或安装支持 CUDA 的 torch。",
    },
    (DeviceMissing, "none"): {
        "en": "The setting “device” is “{device}”, but torch finds no GPU; check the GPU's driver and "
        "CUDA_VISIBLE_DEVICES, or choose cpu or auto.",
        "zh": "设置项“device”的值为“{device}”，但 torch 找不到显卡；请检查显卡驱动和 CUDA_VISIBLE_DEVICES，"
        "或改用 cpu 或 auto。",
    },
    (DeviceFailed, ""): {
        "en": "The GPU has failed and cannot go on; start the program again, and check the log and the GPU's driver "
        "if it happens again.",
        "zh": "显卡出错，无法继续计算；请重新启动程序，若再次出错请查看日志并检查显卡驱动。",
    },
    (ClusterError, ""): {
        "en": "The workers cannot be used; see the log of the program.",
        "zh": "无法使用工作进程；请查看程序日志。",
    },
    (RayMissing, ""): {
        "en": "Several workers need the package Ray, which is not installed; run pip install "
        "'picture-reranker[cluster]', or set workers to 1 and ray_address to nothing.",
        "zh": "使用多个工作进程需要 Ray，但尚未安装；请运行 pip install 'picture-reranker[cluster]' 安装，"
        "或将 workers 设为 1 并清空 ray_address。",
    },
    (ClusterUnreachable, ""): {
        "en": "The Ray cluster at “{address}” cannot be joined ({reason}); check that “ray start” has run on this "
        "machine, the address, and that all machines have the same token.",
        "zh": "无法加入位于“{address}”的 Ray 集群（{reason}）；请确认本机已运行“ray start”、地址正确，"
        "并且所有机器使用同一令牌。",
    },
    (WorkersMissing, ""): {
        "en": "The cluster has no free machine or GPU for a worker; wait for other programs to end, choose fewer "
        "workers or the device cpu, or add machines.",
        "zh": "集群中没有空闲的机器或显卡可供工作进程使用；请等待其他程序结束、减少 workers、"
        "改用设备 cpu，或增加机器。",
    },
    (WorkerFailed, ""): {
        "en": "The machine “{machine}” cannot load the model: {reason}",
        "zh": "机器“{machine}”无法加载模型：{reason}",
    },
    (WorkerNotStarted, ""): {
        "en": "No worker starts on the machine “{machine}” ({reason}); check that this program is installed there in "
        "the same version.",
        "zh": "机器“{machine}”上无法启动工作进程（{reason}）；请确认那里安装了同一版本的本程序。",
    },
    (WorkerDiffers, ""): {
        "en": "The machine “{machine}” has another version of the model than the others; copy the same files to all "
        "machines, or name a folder that they share.",
        "zh": "机器“{machine}”上的模型版本与其他机器不同；请将相同的文件复制到所有机器，或指定共享文件夹。",
    },
    (WorkerPrecisionDiffers, ""): {
        "en": "The machine “{machine}” would compute in {precision} and the others in {others}, so scores could not be "
        "compared; set the precision to one that suits all devices.",
        "zh": "机器“{machine}”将以 {precision} 计算，而其他机器使用 {others}，分数无法相互比较；"
        "请将 precision 设为所有设备都适用的一种。",
    },
    (ReplicasEnded, ""): {
        "en": "One process of the server after the other ended while it answered this request; send fewer pictures at "
        "a time, or other ones.",
        "zh": "服务器的多个进程在处理此请求时先后退出；请减少每次发送的图片，或更换图片。",
    },
    (ServerStopping, ""): {
        "en": "The server is shutting down, so the request was not finished; send it again when the server is back.",
        "zh": "服务器正在关闭，请求未能完成；请在服务器恢复后重新发送。",
    },
    (LibraryMissing, ""): {
        "en": "There is no library “{name}”; make one with `python -m reranker index`.",
        "zh": "没有图库“{name}”；请用 `python -m reranker index` 建立一个。",
    },
    (LibraryBusy, ""): {
        "en": "Another program is changing the library “{name}”; try again when it has finished.",
        "zh": "另一个程序正在更改图库“{name}”；请等它结束后再试。",
    },
    (LibraryUnwritable, ""): {
        "en": "Nothing more can be written into the library “{name}” ({reason}). What was indexed is kept; make room "
        "and call the command again.",
        "zh": "图库“{name}”无法再写入（{reason}）。已建立的索引会保留；请腾出空间后再次运行命令。",
    },
    (LibraryUnreadable, ""): {
        "en": "The library “{name}” cannot be opened ({reason}); check its folder, or make a new library.",
        "zh": "无法打开图库“{name}”（{reason}）；请检查它的文件夹，或新建一个图库。",
    },
    (LibraryEncoderDiffers, ""): {
        "en": "The library “{name}” was made with the encoder {made_by}, whose vectors mean nothing to {given}; search "
        "it with {made_by}, or make a new library.",
        "zh": "图库“{name}”由编码器 {made_by} 建立，其向量不能用于 {given}；请用 {made_by} 搜索，或新建一个图库。",
    },
    (SettingInvalid, ""): {
        "en": "The setting “{setting}” is “{value}” but must be {expected}; correct it and start again.",
        "zh": "设置项“{setting}”的值“{value}”无效，应为 {expected}；请更正后重新启动。",
    },
    (DetailTooHigh, ""): {
        "en": "The setting “{setting}” is “{value}”, but the model “{model}” has room for at most {expected} visual "
        "tokens of a picture; choose a smaller number.",
        "zh": "设置项“{setting}”的值为“{value}”，但模型“{model}”最多容纳一张图片的 {expected} 个视觉 token；"
        "请改用更小的数值。",
    },
    (TicketCancelled, ""): {
        "en": "The request was cancelled while it waited in the queue; send it again if you still need it.",
        "zh": "请求在排队时被取消；如仍需要请重新发送。",
    },
}

# What the value of a field must be, after "must be" and “应为”.
_FIELD_RULES: Final[dict[FieldRule, dict[Language, str]]] = {
    "object": {"en": "an object, with names and values between curly brackets", "zh": "对象（花括号内的字段名和值）"},
    "text": {"en": "a text", "zh": "文本"},
    "number": {"en": "a number", "zh": "数值"},
    "probability": {"en": "a number between 0 and 1", "zh": "0 与 1 之间的数值"},
    "positive number": {"en": "a number above 0", "zh": "大于 0 的数值"},
    "positive whole number": {"en": "a whole number above 0", "zh": "大于 0 的整数"},
    "three numbers": {"en": "a list of three numbers", "zh": "由三个数值组成的列表"},
    "three positive numbers": {"en": "a list of three numbers above 0", "zh": "由三个大于 0 的数值组成的列表"},
    "three positive whole numbers": {
        "en": "a list of three whole numbers above 0",
        "zh": "由三个大于 0 的整数组成的列表",
    },
    "true or false": {"en": "true or false", "zh": "true 或 false"},
    "score": {"en": "a number above 0 and below 10", "zh": "大于 0 且小于 10 的数值"},
    "at least the smallest area": {"en": "at least the smallest area", "zh": "不小于最小面积的值"},
    "as in config.json": {"en": "the same as in config.json", "zh": "与 config.json 中相同的值"},
    "files": {"en": "an object that names the file of each weight", "zh": "列出每个权重所在文件的对象"},
}

_LOAD_WARNINGS: Final[dict[LoadWarning, dict[Language, str]]] = {
    "fp16": {
        "en": "This GPU does not support BF16, so the model runs in FP16, in which large values can overflow.",
        "zh": "此显卡不支持 BF16，模型改用 FP16 运行，数值过大时可能溢出。",
    },
    "split": {
        "en": "The model does not fit on one GPU, so its layers are distributed over several, which compute in turn.",
        "zh": "一张显卡放不下整个模型，各层分布在多张显卡上，依次计算。",
    },
    "offloaded": {
        "en": "The model does not fit on the GPU, so some layers stay in host memory and are copied for every batch, "
        "which is several times slower; int8 or nf4 may fit.",
        "zh": "显卡放不下整个模型，部分层留在内存中，每批计算时临时载入，速度会慢数倍；改用 int8 或 nf4 可能放得下。",
    },
}

# What is wrong and what to do; in braces the value of the fault, formatted by `_readable`.
_FAULTS: Final[dict[FaultReason, dict[Language, str]]] = {
    "no access": {
        "en": "it cannot be opened; check its permissions and that its disk is connected.",
        "zh": "无法打开；请检查权限，并确认磁盘已连接。",
    },
    "not UTF-8": {
        "en": "this is not UTF-8 text; save it as UTF-8 (spreadsheet programs and editors may write GBK or UTF-16).",
        "zh": "不是 UTF-8 编码的文本；请另存为 UTF-8（表格软件或编辑器可能存成了 GBK 或 UTF-16）。",
    },
    "not JSON": {
        "en": "this is not valid JSON; check for a missing comma, quote or bracket.",
        "zh": "不是有效的 JSON；请检查是否缺少逗号、引号或括号。",
    },
    "cut off": {
        "en": "the line ends in the middle, perhaps because the program that wrote it was killed or the disk was full; "
        "delete the line, then write it again.",
        "zh": "这一行没有写完，可能是写入时程序被终止或磁盘已满；请删除这一行后重新写入。",
    },
    "not an object": {
        "en": "this is valid JSON but not an object; write names and values between curly brackets.",
        "zh": "是有效的 JSON，但不是对象；请在花括号内写字段名和值。",
    },
    "field": {
        "en": "the field “{value}” is missing, empty or of the wrong type; correct it as the format requires.",
        "zh": "字段“{value}”缺失、为空或类型不对；请按格式要求填写。",
    },
    "columns": {
        "en": "the columns are not “{value}”; add the missing column or separator.",
        "zh": "各列不是“{value}”；请补全缺少的列或分隔符。",
    },
    "file missing": {
        "en": "the folder has none of the files “{value}”; add one.",
        "zh": "文件夹中没有“{value}”中的任何一个文件；请添加一个。",
    },
    "several files": {
        "en": "the folder has several files but none is named “{value}”; rename the right one, or keep only that one.",
        "zh": "其中有多个文件，但没有“{value}”；请把要用的文件改成这个名称，或只保留它。",
    },
    "no sets": {
        "en": "no query has both relevant and irrelevant pictures, so no ranking can be measured; add the pictures "
        "that are missing.",
        "zh": "没有一个查询同时含有相关和不相关的图片，无法衡量排序；请补充图片。",
    },
    "no labels": {
        "en": "there are no labels; write one a line.",
        "zh": "没有标签；请每行写一个。",
    },
    "too many labels": {
        "en": "there are more than {value} labels; leave some out.",
        "zh": "标签超过 {value} 个；请删减一些。",
    },
    "label empty": {
        "en": "this label has no name that can be seen; write one.",
        "zh": "这个标签没有可见的名称；请写上名称。",
    },
    "label too long": {
        "en": "a name of a label has {value} characters; shorten it.",
        "zh": "标签名称共 {value} 个字符，太长了；请缩短。",
    },
    "label twice": {
        "en": "the name “{value}” is used twice, perhaps in another case or as a synonym; remove one of the two.",
        "zh": "名称“{value}”重复（不区分大小写，同义词也算在内）；请删除其中一个。",
    },
    "unknown parent": {
        "en": "the parent “{value}” is not a label of this vocabulary; add it, or correct the name.",
        "zh": "上级标签“{value}”不在词表中；请添加，或更正名称。",
    },
    "own parent": {
        "en": "the parents of “{value}” lead back to it; correct one of them.",
        "zh": "“{value}”的上级标签形成了循环；请更正其中一个。",
    },
    "empty query": {
        "en": "the query is empty; write what the relevant pictures show.",
        "zh": "查询为空；请写出相关图片的内容。",
    },
    "id twice": {
        "en": "the id “{value}” is used twice; give each entry its own.",
        "zh": "编号“{value}”重复；请为每一项使用不同的编号。",
    },
    "set twice": {
        "en": "the query and the pictures are the same as in “{value}”; remove one of the two.",
        "zh": "查询和图片与“{value}”相同；请删除其中一个。",
    },
    "no pictures": {
        "en": "this folder has no pictures; add some, or remove the folder.",
        "zh": "这个文件夹里没有图片；请放入图片，或删除文件夹。",
    },
    "too few pictures": {
        "en": "too few pictures to rank ({value}); at least 2 are needed.",
        "zh": "可供排序的图片太少（{value} 张）；至少需要 2 张。",
    },
    "picture missing": {
        "en": "the picture “{value}” was not found; check its path, which is relative to the folder of this file.",
        "zh": "找不到图片“{value}”；请检查路径（相对于该文件所在的文件夹）。",
    },
    "pictures elsewhere": {
        "en": "its pictures are neither beside it nor in a folder there such as “{value}”; put them into one of these.",
        "zh": "它旁边以及“{value}”等文件夹中都没有它的图片；请把图片放进其中一个文件夹。",
    },
    "picture twice": {
        "en": "the picture “{value}” is listed twice; remove one of the two.",
        "zh": "图片“{value}”重复出现；请只保留一次。",
    },
    "not among the pictures": {
        "en": "“{value}” is labelled but not among the pictures; add it to them, or correct its name.",
        "zh": "“{value}”有标注，但不在图片列表中；请加入列表，或更正名称。",
    },
    "no relevant picture": {
        "en": "no picture is relevant; label at least one as relevant.",
        "zh": "没有相关的图片；请至少标注一张为相关。",
    },
    "only relevant pictures": {
        "en": "all pictures are equally relevant, so every ranking is right; add some that are irrelevant.",
        "zh": "所有图片同样相关，怎样排序都对；请添加一些不相关的图片。",
    },
    "relevance": {
        "en": "the relevance “{value}” is not a valid whole number; write 0 for irrelevant, 1 or more for relevant.",
        "zh": "相关度“{value}”不是有效的整数；请用 0 表示不相关，用 1 或更大的整数表示相关。",
    },
    "score": {
        "en": "the score “{value}” is not a number; write it in digits.",
        "zh": "分数“{value}”不是数字；请用数字填写。",
    },
    "labelled twice": {
        "en": "“{value}” is labelled twice for this query; remove one of the two lines.",
        "zh": "“{value}”在该查询中重复标注；请只保留其中一行。",
    },
    "unknown query": {
        "en": "there is no query “{value}”; add it, or remove this line.",
        "zh": "没有查询“{value}”；请添加该查询，或删除这一行。",
    },
    "unknown picture": {
        "en": "there is no picture “{value}”; add it, or remove this line.",
        "zh": "没有图片“{value}”；请添加该图片，或删除这一行。",
    },
    "unknown category": {
        "en": "there is no category “{value}”; add it, or remove what refers to it.",
        "zh": "没有类别“{value}”；请添加该类别，或删除引用它的内容。",
    },
    "label both": {
        "en": "“{value}” is among the labels and among the absent ones; remove it from one of the two lists.",
        "zh": "“{value}”既在标签中，又在不存在的标签中；请从其中一个列表删除。",
    },
    "confidence": {
        "en": "the confidence “{value}” is not a number from 0 to 1; write 1 if the label is there, 0 if it is not.",
        "zh": "置信度“{value}”不是 0 到 1 之间的数字；有该标签请写 1，没有请写 0。",
    },
    "no known labels": {
        "en": "none of its labels is among those that are evaluated; choose other labels, or add these as synonyms.",
        "zh": "其中没有一个标签在所评测的词表中；请换用其他词表，或把这些标签加为同义词。",
    },
    "nothing annotated": {
        "en": "there is no picture with labels; add some.",
        "zh": "没有带标签的图片；请添加。",
    },
}
_REASONS_WITH_PATHS: Final[set[FaultReason]] = {
    "picture missing",
    "picture twice",
    "not among the pictures",
    "unknown picture",
}
_MAX_VALUE_LENGTH: Final = 100  # characters of a value that are shown

_MISSING: Final = {None: "folder", "preprocessing": "preprocessing"}
_VARIANTS: Final[dict[type[RerankerError], Callable[[Any], str]]] = {
    PictureUnreadable: lambda error: error.reason,
    PictureBeyondContext: lambda error: "example" if error.example_tokens else "",
    CheckpointMissing: lambda error: _MISSING.get(error.missing, "file"),
    CheckpointBroken: lambda error: error.reason if (CheckpointBroken, error.reason) in _SENTENCES else "",
    CheckpointWeightsInvalid: lambda error: f"several {error.reason}" if error.more else error.reason,
    BackendFailed: lambda error: error.reason if (BackendFailed, error.reason) in _SENTENCES else "",
    BackendRefused: lambda error: error.reason,
    DatasetSpecInvalid: lambda error: error.reason,
    DeviceMissing: lambda error: error.reason,
    PictureScoreNotFinite: lambda error: "half" if _more_precise(error.precision) else "full",
    PrecisionUnsuitable: lambda error: "half" if _more_precise(error.precision) else "full",
    DatasetInvalid: lambda error: "one" if len(error.faults) == 1 else "several",
    VocabularyInvalid: lambda error: "one" if len(error.faults) == 1 else "several",
    DocumentInvalid: lambda error: error.reason,
    ExampleInvalid: lambda error: error.reason,
    DownloadFailed: lambda error: error.reason,
    NameTemplateInvalid: lambda error: error.reason,
}

_MEASURES: Final[dict[type[RerankerError], Callable[[Any], dict[str, str]]]] = {
    PictureFileTooLarge: lambda error: _file_sizes(error.size_bytes, error.max_bytes),
    PictureTooLarge: lambda error: _size_and_limit(error.width * error.height / 1e6, error.max_pixels / 1e6),
    PictureNeedsMemory: lambda error: _size_and_limit(error.needed_bytes / 1e6, error.max_bytes / 1e6),
    BackendRefused: lambda error: {"found": _rounded_down(error.found), "least": _rounded_down(error.least)},
    SettingInvalid: lambda error: {"value": _shortened(error.value)},
    DetailTooHigh: lambda error: {"value": _shortened(error.value)},
    NameTemplateInvalid: lambda error: {"template": _shortened(error.template)},
    PictureTooNarrow: lambda error: _size_and_limit(
        max(error.width, error.height) / min(error.width, error.height), error.max_aspect_ratio
    ),
}

_CLASSES: Final = {error_class for error_class, _ in _SENTENCES}
_BYTES_BY_UNIT: Final = {"GB": 1e9, "MB": 1e6, "kB": 1e3}

# Folders from the root of a disk or a share, from home or from here; "vec-ai/lychee-rerank-mm" has none of these.
_FOLDERS: Final = re.compile(r"(?<![\w.-])(?:~|\.{1,2}|[A-Za-z]:)?[\\/](?=\S)(?:[^\\/\s]+(?: +[^\\/\s]+)*[\\/]+)*")


def sentence(error: RerankerError, language: Language) -> str:
    """Return the message of an error, on one line. A class without a message has that of its nearest base class."""
    error_class = next(each for each in type(error).__mro__ if each in _CLASSES)
    variant = _VARIANTS[error_class](error) if error_class in _VARIANTS else ""
    measures = _MEASURES[error_class](error) if error_class in _MEASURES else _words(error, language)
    values = {field: _readable(value) for field, value in vars(error).items() if field not in measures}
    if isinstance(error, PictureError):
        values["name"] = _file_name(values["name"])
    return _SENTENCES[error_class, variant][language].format_map(values | measures)


def _words(error: RerankerError, language: Language) -> dict[str, str]:
    """Return the fields whose words depend on the language."""
    if isinstance(error, DatasetInvalid | VocabularyInvalid):
        return {"faults": fault_sentence(error.faults[0], language), "more": f"{len(error.faults) - 1:,}"}
    if isinstance(error, ExampleUnreadable | WorkerFailed):
        return {"reason": sentence(error.error, language)}
    if isinstance(error, CheckpointFieldInvalid):
        return {"reason": _FIELD_RULES[cast(FieldRule, error.reason)][language]}
    if isinstance(error, PictureScoreNotFinite | PrecisionUnsuitable):
        return {"others": {"en": " or ", "zh": " 或 "}[language].join(_more_precise(error.precision))}
    return {}


def _more_precise(precision: str) -> tuple[str, ...]:
    """Return the precisions in which fewer numbers overflow; none for fp32."""
    return () if precision == "fp32" else ("fp32",) if precision == "bf16" else ("bf16", "fp32")


def fault_sentence(fault: Fault, language: Language) -> str:
    """Return the message of one fault of a dataset, on one line: the file and its line, what is wrong, what to do."""
    place = f"“{_readable(fault.file)}”"
    if fault.line is not None:  # as editors count lines, without a thousands separator
        place += f", line {fault.line}" if language == "en" else f"第 {fault.line} 行"
    value = _shortened(_file_name(fault.value) if fault.reason in _REASONS_WITH_PATHS else fault.value)
    return place + {"en": ": ", "zh": "："}[language] + _FAULTS[fault.reason][language].format(value=value)


def load_warning_text(warning: LoadWarning, language: Language) -> str:
    """Return the message of a load warning, on one line."""
    return _LOAD_WARNINGS[warning][language]


def _readable(value: object) -> str:
    """Format a field on one line: numbers with thousands separators, text without folders or invisible characters."""
    if isinstance(value, int):
        return f"{value:,}"
    text = " ".join(_FOLDERS.sub("", str(value)).split())
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _shortened(value: str) -> str:
    text = _readable(value)
    return text if len(text) <= _MAX_VALUE_LENGTH else text[: _MAX_VALUE_LENGTH - 1] + "…"


def _file_name(path: str) -> str:
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1]


def _file_sizes(size_bytes: int, max_bytes: int) -> dict[str, str]:
    """Format both sizes in the unit that suits the limit; units are decimal: a megabyte is 1,000,000 bytes."""
    unit = next((unit for unit, count in _BYTES_BY_UNIT.items() if max_bytes >= count), "kB")
    count = _BYTES_BY_UNIT[unit]
    return {"unit": unit, **_size_and_limit(size_bytes / count, max_bytes / count)}


def _rounded_down(share: float) -> str:
    """Format a share with four decimals, so that one below a limit is never shown as the limit."""
    return f"{math.floor(share * 10_000 + 1e-6) / 10_000:.4f}"


def _size_and_limit(size: float, limit: float) -> dict[str, str]:
    """Format a size beyond a limit with as many decimals, 1 to 6, as it takes to show the difference."""
    texts = [f"{size:,.{decimals}f}" for decimals in range(1, 7)]
    size_text = next((text for text in texts if float(text.replace(",", "")) > limit), texts[-1])
    return {"size": size_text, "limit": f"{limit:,.6f}".rstrip("0").rstrip(".")}
