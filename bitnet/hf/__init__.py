"""Trained models for Hugging Face transformers."""
