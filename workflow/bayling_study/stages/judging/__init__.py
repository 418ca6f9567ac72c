"""A judge compares a system's answers with a baseline's, each question in both orders.
``judging/SYSTEM/SUITE.jsonl`` has one review per question and order (``records.Hypothesis``). The
judge is a configured server, or a local system that this stage serves on loopback while it works.
"""
