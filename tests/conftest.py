"""What every test may ask for: the servers, and which suites this machine can run. Further fixtures are plugins too."""

pytest_plugins = ["tests.servers", "tests.suites"]
