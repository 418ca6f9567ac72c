"""A judge compares a system's answers with a baseline's, each question in both orders.

The output, ``judging/SYSTEM/SUITE.jsonl``, has one review per question and order
(``records.Hypothesis``). The judge is a server: one that the configuration names, or a local
system that this stage serves on loopback while it works.
"""
