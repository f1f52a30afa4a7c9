"""File name patterns of a model folder: files to copy, and files never to copy."""

INDEX = "model.safetensors.index.json"
TOKENIZER_FILES = ("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "*.model")
MODEL_FILES = ("config.json", "generation_config.json", "chat_template.jinja", "*.safetensors", INDEX, *TOKENIZER_FILES)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
CODE = (*PICKLES, "*.py", "*.pickle", "*.so")  # never copied, even if they match TOKENIZER_FILES
