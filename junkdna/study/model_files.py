"""Names of the files of a model folder: what is taken along, and what never is."""

INDEX = "model.safetensors.index.json"
TOKENIZER_FILES = ("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "*.model")
MODEL_FILES = ("config.json", "generation_config.json", "chat_template.jinja", "*.safetensors", INDEX, *TOKENIZER_FILES)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
CODE = (*PICKLES, "*.py", "*.pickle", "*.so")  # never taken along, whatever a tokenizer may call its files
