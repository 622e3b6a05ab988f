#!/usr/bin/env python3
"""An executable model of the order that keeps reads behind no write (docs/how-it-works.md), explored exhaustively.

One tag, one URL, an upstream whose state is a version number. Two writes (each makes the next version), two workers with two
reads each, one flight table, one writer thread. Every interleaving of the atomic steps below is visited. A read that was sent
after write k was answered must show version k or later; the explorer stops at the first state that breaks this and prints the way.

  order_model.py              the rules as designed: no violation
  order_model.py MUTANT       one rule broken: a violation is found;  order_model.py all  runs every mutant
"""
import sys
from collections import namedtuple

# U upstream version · N published count · T stamp of the tag · E committed entry (version, or None) · Q the writer thread's jobs
# F flight: None or (begun or None while unsent, value or None, stored?) · W writes · R workers · acked newest answered version
S = namedtuple("S", "U N T E Q F W R acked")
READS = 2
MUTANTS = {
    "publish-before-commit": "now is published before the deletion commits",
    "answer-before-commit": "the client gets its answer before the invalidation commits",
    "no-stamp-check": "the writer stores without comparing stamps (rule 4)",
    "begun-after-answer": "a fetch notes begun when its answer has come (rule 1)",
    "renew-before-load": "a reader renews its snapshot, then loads now (rule 5)",
    "never-renew": "a reader renews once and keeps its snapshot (rule 5)",
    "join-over-a-write": "a request joins any flight (rule 6)",
    "join-finished": "a finished flight stays joinable whatever was published (rule 6)",
    "invalidate-before-send": "the invalidation is done before the write is sent, not after its answer (rule 3)",
}


def steps(s, m):
    """All (name, next state) from s. m names the broken rule, or is empty."""
    out = []
    # --- writes: idle → sent → applied → answered by upstream → queued → done
    for i, w in enumerate(s.W):
        def put(state, **kw): return s._replace(W=s.W[:i] + (state,) + s.W[i + 1:], **kw)
        if w[0] == "idle":
            if m == "invalidate-before-send": out.append((f"W{i} invalidates", put(("early",), Q=s.Q + (("inval", i, 0),))))
            else: out.append((f"W{i} is sent", put(("sent",))))
        elif w[0] == "sent": out.append((f"W{i} is applied upstream", put(("applied", s.U + 1), U=s.U + 1)))
        elif w[0] == "applied":
            if m == "invalidate-before-send": out.append((f"W{i} is answered", put(("done",), acked=max(s.acked, w[1]))))
            elif m == "answer-before-commit": out.append((f"W{i} is answered", put(("done",), acked=max(s.acked, w[1]), Q=s.Q + (("inval", i, 0),))))
            else: out.append((f"W{i} is queued for invalidation", put(("queued", w[1]), Q=s.Q + (("inval", i, 0),))))
    # --- the writer thread: its first job, one atomic step at a time
    if s.Q:
        job, rest = s.Q[0], s.Q[1:]
        if job[0] == "store":
            _, value, begun = job
            F = s.F if s.F is None or s.F[1] != value or s.F[0] != begun else None          # the flight ends with its store
            if m == "no-stamp-check" or s.T <= begun: out.append((f"writer stores {value}", s._replace(E=value, Q=rest, F=F)))
            else: out.append((f"writer refuses {value}", s._replace(Q=rest, F=F)))
        else:
            _, i, at = job
            order = ("stamp", "publish", "commit") if m == "publish-before-commit" else ("stamp", "commit", "publish")
            what, nxt = order[at], (("inval", i, at + 1),) + rest if at < 2 else rest
            n = s._replace(Q=nxt)
            if what == "stamp": n = n._replace(T=s.N + 1)
            if what == "commit": n = n._replace(E=None)
            if what == "publish": n = n._replace(N=s.N + 1)
            if at == 2 and s.W[i][0] == "queued": n = n._replace(W=s.W[:i] + (("done",),) + s.W[i + 1:], acked=max(s.acked, s.W[i][1]))
            if at == 2 and s.W[i][0] == "early": n = n._replace(W=s.W[:i] + (("sent",),) + s.W[i + 1:])
            out.append((f"writer: {what} for W{i}", n))
    # --- workers: (reads left, state, least legal version, count loaded, snapshot's count, snapshot's entry)
    for k, (left, st, least, seen, snapn, snap) in enumerate(s.R):
        def put(r, **kw): return s._replace(R=s.R[:k] + (r,) + s.R[k + 1:], **kw)
        done = (left - 1, "idle", 0, 0, snapn, snap)
        if st == "idle" and left: out.append((f"R{k} arrives", put((left, "arrived", s.acked, 0, snapn, snap))))
        elif st == "arrived":
            if m == "never-renew" and snapn >= 0: out.append((f"R{k} keeps its snapshot", put((left, "ready", least, 0, snapn, snap))))
            else: out.append((f"R{k} loads now", put((left, "ready" if s.N == snapn else "stale", least, s.N, snapn, snap))))
        elif st == "stale": out.append((f"R{k} renews", put((left, "renewed" if m == "renew-before-load" else "ready", least, 0, seen, s.E))))
        elif st == "renewed": out.append((f"R{k} loads now", put((left, "ready", least, 0, s.N, snap))))
        elif st == "ready":
            if snap is not None: out.append((f"R{k} hits {snap}", put(done) if snap >= least else None))
            elif s.F is None: out.append((f"R{k} starts a flight", put((left, "leads", least, 0, snapn, snap), F=(None, None))))
            else:
                begun, value = s.F
                fresh = begun is None or s.N == begun or m == "join-over-a-write" or (m == "join-finished" and value is not None)
                if fresh: out.append((f"R{k} joins", put((left, "waits", least, s.F, snapn, snap))))
                else: out.append((f"R{k} fetches alone", put((left, "alone", least, None, snapn, snap))))
        elif st == "leads" and s.F and s.F[0] is None and m != "begun-after-answer": out.append((f"flight is sent, begun {s.N}", s._replace(F=(s.N, None))))
        elif st == "leads" and s.F and s.F[1] is None:
            b = s.N if m == "begun-after-answer" else s.F[0]
            if m == "begun-after-answer":                       # the value is read now, begun is noted a step later
                out.append((f"flight reads {s.U}", put((left, "noting", least, s.U, snapn, snap))))
            else: out.append((f"flight reads {s.U}", s._replace(F=(b, s.U))))
        elif st == "noting": out.append((f"flight notes begun {s.N}", s._replace(F=(s.N, seen), R=s.R[:k] + ((left, "leads", least, 0, snapn, snap),) + s.R[k + 1:])))
        elif st == "leads" and s.F: out.append((f"R{k} is answered {s.F[1]}", put(done, Q=s.Q + (("store", s.F[1], s.F[0]),)) if s.F[1] >= least else None))
        elif st == "waits":
            f = s.F
            if f is None or (seen[0] is not None and f[0] != seen[0]): out.append((f"R{k} starts over", put((left, "arrived", least, 0, snapn, snap))))
            elif f[1] is not None: out.append((f"R{k} is answered {f[1]} by the flight", put(done) if f[1] >= least else None))
        elif st == "alone": out.append((f"R{k} notes begun, is sent", put((left, "reads", least, s.N, snapn, snap))))
        elif st == "reads": out.append((f"R{k} reads {s.U} alone", put((done), Q=s.Q + (("store", s.U, seen),)) if s.U >= least else None))
    return out


def explore(m=""):
    start = S(0, 0, 0, 0, (), None, (("idle",), ("idle",)), ((READS, "idle", 0, 0, -1, None), (READS, "idle", 0, 0, -1, None)), 0)
    came, todo = {start: None}, [start]
    while todo:
        s = todo.pop()
        for name, n in steps(s, m):
            if n is None:
                way, at = [name + "   <- older than a write answered before it was sent"], s
                while came[at]: way.append(came[at][0]); at = came[at][1]
                return len(came), way[::-1]
            if n not in came: came[n] = (name, s); todo.append(n)
    return len(came), None


if __name__ == "__main__":
    names = list(MUTANTS) if sys.argv[1:] == ["all"] else sys.argv[1:] or [""]
    bad = 0
    for m in names:
        states, way = explore(m)
        print(f"{m or 'as designed'}: {states} states, {'no violation' if not way else 'VIOLATION'}" + (f"  ({MUTANTS[m]})" if m else ""))
        if way and len(names) == 1: print("\n".join("  " + w for w in way))
        bad += bool(way) == (m == "")
    sys.exit(1 if bad else 0)
