"""How fast guests run: `axlab bench` measures, compares with Unicorn where that is installed, and prints a table.

`workloads` are the programs, `engines` run them, `boots` boots U-Boot and Linux, `others` measures what is not a
guest's speed. `measurements` is the table of all of it, `targets` says what is to be reached, and `report` shows
the figures. All times are CPU times; `clock` says how fast the machine is at that moment.
"""
