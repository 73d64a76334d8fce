"""The shell: grammar -> command tree -> typed commands -> results.

A third party extends it by one call:

    def greet(context: Context, name: str, loud: bool) -> Result:
        return TextResult(lines=[f"Hello {name.upper() if loud else name}"])

    lab.shell.tree.register("demo greet", "Say hello", greet, Argument("name", Text("NAME")), Flag("loud", short="l"))

From then on `demo greet world -l` is parsed, completed, helped with and documented like any other command.
"""
