"""Letters that an exam answer states, in the forms that systems write."""

from __future__ import annotations

import pytest

from bayling_study.shared.metrics.stated_letters import stated_letters

READ = {
    "Final answer: D": "D",
    "Correct choice: D": "D",
    "Explanation: by Newton's law the force doubles (C)": "C",
    "选 BD，因为 F=ma": "BD",
    "**Answer: B**": "B",
    "The answer is **(B)**.": "B",
    r"So we get \boxed{B}.": "B",
    r"$\boxed{\text{C}}$": "C",
    "(B)": "B",
    "B": "B",
    "b": "B",
    "BD": "BD",
    "B. The dog ran": "B",
    "A. Dogs": "A",
    "答案：B": "B",
    "答案是 ABD": "ABD",
    "答案是选项(D)": "D",
    "故选：A、C": "AC",
    "故选C。": "C",
    "正确答案为Ｂ": "B",
    "答案不是A而是C": "C",
    "The answer is not A but C.": "C",
    "Answer: Choice B, not D": "B",
    "Answer is choice (C)": "C",
    "answer is choice (c)": "C",
    "The correct answers are A, B and D.": "ABD",
    "The answer is A because dogs bark": "A",
    "I would choose D.": "D",
    "Option D is correct.": "D",
    "A错误；B正确；C错误；D正确": "BD",
    "A. Wrong, as it is far.\nB. Wrong too.\nC. Fits.\nTherefore the answer is C.": "C",
    "Let us think. Force is mass.\nD": "D",
    "Answer: B\n\nQuestion: What next? Answer: C": "B",
    "答案是选项(B)。如果选择(A)，结果不准确": "B",
    "Answer is choice (D) A book": "D",
    "Answer is choice (B) F, H, I": "B",
    "选项C：结论": "C",
    r"C) 62. So $x=\boxed{62.0}$": "C",
    "C) 0.45. For choice (A), (B) and (D) it grows": "C",
    "A) f(x). Choice (B) is incorrect": "A",
    r"B) 27. Therefore $\boxed{\textbf{(D) }39}$.": "D",
    "B is tempting. The correct option is D": "D",
}
UNREAD = [
    "",
    "As an AI model, I cannot answer this.",
    "A dog ran home.",
    "The answer is a dog.",
    "Because of Donald's Car",
    "(A) far (B) near (C) none",
    "A. far\nB. near\nC. none",
    r"\boxed{12}",
    "F=ma",
    "都不对",
]


@pytest.mark.parametrize("text", READ)
def test_a_stated_answer_is_read(text: str) -> None:
    assert stated_letters(text) == READ[text]


@pytest.mark.parametrize("text", UNREAD)
def test_what_states_no_letter_is_unparseable(text: str) -> None:
    assert stated_letters(text) is None
