"""What is wrong with a language model of anybody's: its facts, findings in words, and a watch."""
