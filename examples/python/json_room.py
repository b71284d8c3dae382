# A room: what one peer says goes to all others. The sockets are unstick's, the rules are this script's.
# Usage: json_room.py unstick listen --json 8080
import json
import subprocess
import sys

unstick = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")


def send(to, text):
    unstick.stdin.write(json.dumps({"to": to, "text": text}) + "\n")
    unstick.stdin.flush()


peers = set()
for line in unstick.stdout:
    event = json.loads(line)
    if event["event"] == "open":
        peers.add(event["peer"])
        send(event["peer"], f"welcome, you are {event['peer']} of {len(peers)}")
    elif event["event"] == "message" and "text" in event:
        for peer in peers - {event["peer"]}:
            send(peer, f"{event['peer']}: {event['text']}")
    elif event["event"] == "close":
        peers.discard(event["peer"])
sys.exit(unstick.wait())
