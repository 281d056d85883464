"""The configuration of the toybox model: a Qwen2.5-VL of five million parameters."""

from transformers import Qwen2_5_VLConfig

DEFAULT_VISUAL_TOKENS = 49
DETAIL_LEVELS = (25, 49, 64)  # visual tokens: low, usual, high


def toybox_config(vocabulary_size: int, ids: dict[str, int]) -> Qwen2_5_VLConfig:
    """The configuration of transformers. ids: token ids of the special tokens."""
    vision = {
        "depth": 6,
        "hidden_size": 160,
        "intermediate_size": 448,
        "num_heads": 5,
        "out_hidden_size": 192,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "window_size": 112,
        "fullatt_block_indexes": [1, 3, 5],
        "hidden_act": "silu",
    }
    text = {
        "vocab_size": vocabulary_size,
        "hidden_size": 192,
        "intermediate_size": 512,
        "num_hidden_layers": 6,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]},
        "bos_token_id": None,
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"],
        "tie_word_embeddings": True,
    }
    return Qwen2_5_VLConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
