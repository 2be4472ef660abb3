"""Draw again: python3 verify_draw.py draw.json [participants.json ...]   (see draw.md)
Prints rank, pseudonym and class, the first first; exit code 3 if what was published does not hold."""
import hashlib, hmac, json, sys
RULE = "6f3ee55853c2df18ac2ca0d4f8b768a28d69bcc11b7e7efa3ef0691aeb59ba69"

def minus_log2(u):
    if u + 1 == 2**64:
        return 0
    zeros = 64 - (u + 1).bit_length()
    mantissa, fraction = (u + 1) << zeros, 0
    for _ in range(48):
        square = mantissa * mantissa
        bit = square >> 127
        mantissa, fraction = square >> (63 + bit), 2 * fraction + bit
    return ((zeros + 1) << 48) - fraction

def check(what, published, computed):
    if published != computed:
        print(f"{what} does not hold: published {published}, computed {computed}", file=sys.stderr)
        sys.exit(3)

draw, people = {}, []
for name in sys.argv[1:]:
    page = json.load(open(name, encoding="utf-8"))
    people += [(bytes.fromhex(pseudonym), kind) for pseudonym, kind in page.pop("participants", [])]
    draw = page | draw
seed, rule = bytes.fromhex(draw["seed"]), hashlib.sha256(draw["rule"].encode()).digest()
check("rule", rule.hex(), RULE)
check("commitment", draw["commitment"], hashlib.sha256(b"onrush draw v1\0" + rule + seed).hexdigest())
digest = hashlib.sha256(b"".join(pseudonym + bytes([kind]) for pseudonym, kind in people)).digest()
check("list digest", draw["list_digest"], digest.hex())
check("one place for each", len(people), len({pseudonym for pseudonym, _ in people}))
value = (draw["public_value"] or "").encode()
turn = hashlib.sha256(b"onrush turn v1\0" + digest + value).digest()[:8]
check("turn", draw["turn"], turn.hex())
spot = lambda pseudonym: int.from_bytes(hmac.digest(seed, pseudonym, "sha256")[:8], "big")
turned = lambda pseudonym: (spot(pseudonym) + int.from_bytes(turn, "big")) % 2**64
key = lambda person: (minus_log2(turned(person[0])) // draw["weights"][person[1]], person[0])
for rank, (pseudonym, kind) in enumerate(sorted(people, key=key)):
    print(rank, pseudonym.hex(), kind)
