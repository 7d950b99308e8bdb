"""A solver for halmos: `python tools/audit/solve.py QUERY` answers as an SMT-LIB solver does.

First bitwuzla, bit by bit, which is good at long conditions; then cvc5 on words taken as integers, in two ways, which
decides products and quotients that bit by bit nobody does.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bitwuzla
import cvc5

BITWISE_MILLISECONDS = 12_000
# The second decides what the first does not, but keeps to no limit: halmos ends it.
WAYS: tuple[tuple[dict[str, str], int], ...] = (({}, 15_000), ({"nl-cov": "true"}, 80_000))
QUESTIONS = ("(check-sat)", "(get-model)")


def by_bits(query: str, milliseconds: int) -> str:
    """`sat`, `unsat` or `unknown`; a model is printed at once, as that library does."""
    statements = query
    for question in QUESTIONS:
        statements = statements.replace(question, "")
    result = _parsed(statements, milliseconds).check_sat()
    if result == bitwuzla.Result.SAT:
        _parsed(query, milliseconds)
    return {bitwuzla.Result.SAT: "sat", bitwuzla.Result.UNSAT: "unsat"}.get(result, "unknown")


def _parsed(query: str, milliseconds: int) -> bitwuzla.Bitwuzla:
    options = bitwuzla.Options()
    options.set(bitwuzla.Option.PRODUCE_MODELS, True)
    options.set(bitwuzla.Option.TIME_LIMIT_PER, milliseconds)
    parser = bitwuzla.Parser(bitwuzla.TermManager(), options)
    parser.parse(query, False, False)
    return parser.bitwuzla()


def by_integers(query: str, options: dict[str, str], milliseconds: int) -> str:
    """What cvc5 says, its model included."""
    solver = cvc5.Solver(cvc5.TermManager())
    always = {"produce-models": "true", "solve-bv-as-int": "sum", "tlimit-per": str(milliseconds)}
    for name, value in {**always, **options}.items():
        solver.setOption(name, value)
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, query, "query")
    symbols = parser.getSymbolManager()
    answers = []
    while not (command := parser.nextCommand()).isNull():
        answers.append(command.invoke(solver, symbols))
    return "".join(answers)


def main() -> None:
    query = Path(sys.argv[1]).read_text()
    answer = by_bits(query, BITWISE_MILLISECONDS)
    if answer == "sat":
        return
    for options, milliseconds in WAYS:
        if answer.startswith(("sat", "unsat")):
            break
        answer = by_integers(query, options, milliseconds)
    print(answer)


if __name__ == "__main__":
    main()
