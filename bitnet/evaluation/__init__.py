"""What a model predicts, writes and has become: every measure, and one look that takes them all."""
