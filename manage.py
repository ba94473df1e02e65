#!/usr/bin/env python3
import sys

if __name__ == "__main__":
    from ragsite import shell

    shell.adapt()
    shell.run_command(sys.argv)
