"""Tasks of lm-evaluation-harness on local data: what suites ask and what systems are asked.

The suites stage turns a task's questions into prompts, the stage ``harness``
has a system answer the same task. Both take the task from here, so that a
prompt's number is the number of the harness's own question. Nothing here
touches the network: definitions come from the installed package, rows from the
study's downloads.
"""
