"""Says two words to an echo, asks whether it is there, and closes, with the package websockets."""
import sys

from websockets.sync.client import connect

with connect(f"ws://{sys.argv[1]}/") as connection:
    for word in ("hello", "world"):
        connection.send(word)
        print(connection.recv())
    connection.ping().wait()
