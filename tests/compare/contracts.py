"""Asks datacontract-cli whether it takes each of the contracts given; 1 when it refuses one.

Run by compare.py, in the environment of contracts.txt.
"""

import logging
import sys

from datacontract.data_contract import DataContract


def main():
    logging.disable(logging.WARNING)
    refused = 0
    for file in sys.argv[1:]:
        run = DataContract(data_contract_file=file).lint()
        result = getattr(run.result, "value", run.result)
        print(f"{file}: {result}", flush=True)
        if result != "passed":
            refused += 1
            for check in run.checks:
                print(f"  {check.name}: {check.reason}", flush=True)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
