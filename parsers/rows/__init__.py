"""Fields of a record → rows of `llm_calls`: one meaning of tokens, one of a call."""
