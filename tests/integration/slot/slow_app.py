"""An application that takes a minute to import."""

import subprocess
import sys

print("importing", flush=True)
subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"], check=False)
