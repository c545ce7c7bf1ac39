"""Is a published model read and written as fast as by transformers, and in how much memory?"""
