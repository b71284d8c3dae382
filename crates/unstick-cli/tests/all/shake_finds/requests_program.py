"""A program that an editor starts: a request of JSON in a line on its input, an answer in a line on its output.

The mistake: whatever one read of the pipe returns is taken for one request.
"""
import json
import os

while True:
    data = os.read(0, 65536)
    if not data:
        break
    request = json.loads(data)
    answer = {"id": request["id"], "result": request["text"].upper()}
    print(json.dumps(answer), flush=True)
