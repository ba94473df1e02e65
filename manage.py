#!/usr/bin/env python3
import sys

if __name__ == "__main__":
    from ragsite import shell

    shell.adapt()

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
