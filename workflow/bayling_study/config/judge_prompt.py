"""What a judge is told where the configuration does not say otherwise. The authors' judge prompt
was not released. Their GPT-4 reviews have the output form of FairEval (i-Eval/FairEval,
FairEval.py): evidence first, then one score per assistant. The prompt here asks for that form in
words of our own."""

INSTRUCTION = """\
You compare two AI assistants. Below is a conversation in which both were given the same \
requests of a user, with the answers of each.

{first}

{second}

Judge how helpful, relevant, accurate and detailed the answers of each assistant are. \
The order in which the two are shown must not influence you. Give each assistant an overall \
score from 1 to 10; a higher score means a better performance. First explain your judgement, \
then give the scores, in exactly this form:

Evaluation evidence: <your explanation>
Score of the Assistant 1: <score>
Score of the Assistant 2: <score>"""
