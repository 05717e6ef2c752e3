"""Answers → what people and programs read: tables, texts, files, charts."""
