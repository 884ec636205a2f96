"""One A&E arrival (ADT^A04), sent as an integration engine sends it: framed for MLLP, and kept until the answer is AA.

Usage: python send_hl7.py HOST PORT SENDING_APPLICATION SENDING_FACILITY
"""

import socket
import sys
import time
import uuid

START, END = b"\x0b", b"\x1c\r"


def arrival(application: str, facility: str) -> str:
    """HL7 v2.4, one segment a line. PV1-2 is E: an emergency, which is what this sender's rule calls an arrival."""
    now, control = time.strftime("%Y%m%d%H%M%S"), uuid.uuid4().hex[:20]
    return "\r".join(
        (
            f"MSH|^~\\&|{application}|{facility}|NIGHTLIGHT|NIGHTLIGHT|{now}||ADT^A04^ADT_A01|{control}|P|2.4",
            f"EVN|A04|{now}",
            "PID|1||9990000018^^^NHS^NH||EXAMPLE^ROBIN||20100314|M|||1 EXAMPLE ROAD^^LONDON^^N1 1AA",
            f"PV1|1|E|AANDE^^^RXX01||||||||||||||||V{control}|||||||||||||||||||||||||{now}",
            "",
        )
    )


def send(host: str, port: int, message: str) -> str:
    """Return the acknowledgement's code. AA: it is kept. AE: send it again later. AR: mend it first."""
    with socket.create_connection((host, port), timeout=15) as line:
        line.sendall(START + message.encode() + END)
        heard = b""
        while not heard.endswith(END):
            part = line.recv(4096)
            if not part:
                raise ConnectionError("the line was closed before the answer: send it again")
            heard += part
    answer = heard.strip(START + END).decode()
    return next(segment.split("|")[1] for segment in answer.split("\r") if segment.startswith("MSA"))


if __name__ == "__main__":
    host, port, application, facility = sys.argv[1:5]
    code = send(host, int(port), arrival(application, facility))
    print(code)
    sys.exit(0 if code in ("AA", "CA") else 1)
