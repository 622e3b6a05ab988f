# make · make run · make test · make test-long · make lint · make asan · make tsan · make valgrind · make fuzz · make install
# make calls · make register · make bench · make bench-invalidate · make bench-clients · make bench-budget
# make syscalls
# One file, no recursion over folders; each variant's objects have a folder of their own under build/.
# Whatever a target needs from Debian is installed first (as root), or named (as anybody else).

VARIANT  ?=
BUILD    := build$(VARIANT:%=/%)
PREFIX   ?= /usr/local
PYTHON   := /usr/bin/python3
VERSION  := 0.1.0
FUZZ_SECONDS ?= 10

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wconversion -Wvla -Wformat=2 -Wstrict-prototypes \
            -Wmissing-prototypes -Wwrite-strings -Wimplicit-fallthrough -Wundef
CFLAGS   := -std=c17 -D_GNU_SOURCE -g -O2 -fno-omit-frame-pointer -fstack-protector-strong -pthread $(WARNINGS)
GLIB     := -isystem /usr/include/glib-2.0 -isystem /usr/lib/$(shell uname -m)-linux-gnu/glib-2.0/include
CPPFLAGS := -Iproxy -isystem /usr/share/include/llhttp -isystem /usr/include/cjson $(GLIB) \
            -DPOSTERN_VERSION='"$(VERSION)"' -DPOSTERN_PREFIX='"$(PREFIX)"' -DPOSTERN_CHECKOUT='"$(CURDIR)"'
LDLIBS   := -levent -levent_pthreads -lcurl -llmdb -lcjson -lglib-2.0 -lcrypto -lxxhash -lz -pthread

CFLAGS_asan := -fsanitize=address,undefined -fno-sanitize-recover=all
CFLAGS_tsan := -fsanitize=thread
CFLAGS_breakable := -DPOSTERN_BREAKABLE
CFLAGS_fuzz := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all

export ASAN_OPTIONS  ?= halt_on_error=1:detect_leaks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS ?= halt_on_error=1:print_stacktrace=1
export TSAN_OPTIONS  ?= halt_on_error=1:second_deadlock_stack=1

SOURCES  := $(wildcard proxy/*.c proxy/*/*.c)
HEADERS  := $(wildcard proxy/*/*.h tests/unit/*/*.h)
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o)
LLHTTP   := $(patsubst %,$(BUILD)/llhttp/%.o,api http llhttp)
LIBRARY  := $(BUILD)/libpostern.a
UNITS    := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/*/test_*.c))
FUZZERS  := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all run test test-long unit units asan tsan mutants valgrind fuzz fuzz-run lint install clean always
all: $(BUILD)/postern

$(BUILD)/postern: $(OBJECTS) $(LLHTTP)
	$(CC) $(CFLAGS) $(CFLAGS_$(VARIANT)) $^ $(LDLIBS) -o $@

# The source is no prerequisite: it is not there before setup-build has installed it.
$(LLHTTP): $(BUILD)/llhttp/%.o: $(BUILD)/settings | setup-build
	@mkdir -p $(@D)
	$(CC) -std=c17 -g -O2 -pthread -DLLHTTP_STRICT_MODE=1 -isystem /usr/share/include/llhttp $(CFLAGS_$(VARIANT)) \
	    -c /usr/share/llhttp/$*.c -o $@

# Changes when one of these does: another PREFIX or compiler makes everything anew.
SETTINGS := $(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$(VARIANT)) $(LDLIBS)
$(BUILD)/settings: Makefile always
	@mkdir -p $(@D)
	@echo $(SETTINGS) | cmp -s - $@ || echo $(SETTINGS) >$@

$(BUILD)/proxy/%.o: proxy/%.c $(BUILD)/settings | setup-build
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$(VARIANT)) -MMD -MP -c $< -o $@

# All but main, so that a test links what it uses only. "q": several folders have a file of one name.
$(LIBRARY): $(filter-out $(BUILD)/proxy/main.o,$(OBJECTS)) $(LLHTTP)
	@rm -f $@
	ar qcs $@ $^

# tests/unit/cache/test_freshness.c becomes build/unit/cache/test_freshness
$(BUILD)/unit/%: tests/unit/%.c $(LIBRARY) $(BUILD)/settings | setup-test
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests/unit $(CFLAGS) $(CFLAGS_$(VARIANT)) -MMD -MP $< $(LIBRARY) -lcmocka $(LDLIBS) -o $@

-include $(OBJECTS:.o=.d) $(UNITS:=.d) $(FUZZERS:=.d)

run: all
	exec $(BUILD)/postern run --sandbox

# --- tests: each ends with the line "N passed, N failed" ---

units: $(UNITS)

unit: units
	$(PYTHON) tests/run.py $(UNITS)

test: all units | setup-test
	POSTERN=$(CURDIR)/$(BUILD)/postern $(PYTHON) tests/run.py --gateway tests/gateway $(UNITS)

# What takes a quarter of an hour: 10,000 random examples of writes and reads, other ones each time.
test-long: all | setup-test
	POSTERN=$(abspath $(BUILD))/postern POSTERN_EXAMPLES=10000 $(PYTHON) -m pytest -q -s tests/gateway/test_property.py

asan tsan:
	$(MAKE) VARIANT=$@ test

# Breaks the rules of the order one at a time, and prints which test notices.
mutants: | setup-test
	$(MAKE) VARIANT=breakable all
	POSTERN=$(CURDIR)/build/breakable/postern $(PYTHON) tests/mutants.py

valgrind: units | setup-valgrind
	$(PYTHON) tests/run.py --timeout 1200 --wrapper "valgrind --quiet --leak-check=full --error-exitcode=1" $(UNITS)

fuzz: | setup-lint
	$(MAKE) VARIANT=fuzz CC=clang fuzz-run

fuzz-run: $(FUZZERS)
	$(PYTHON) tests/fuzz/run.py --seconds $(FUZZ_SECONDS) --corpora tests/fuzz/corpus $(FUZZERS)

$(BUILD)/fuzz/%: tests/fuzz/%.c $(LIBRARY) $(BUILD)/settings
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests/unit $(CFLAGS) -Wno-missing-prototypes -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=all -MMD -MP $< $(LIBRARY) $(LDLIBS) -o $@

# --- lint: what style.md asks for, as far as a machine can see it ---

TESTS_C  := $(wildcard tests/unit/*/*.c tests/fuzz/*.c bench/*.c)
TIDIED   := $(SOURCES) $(TESTS_C)

.PHONY: lint-rules lint-format lint-headers lint-clang lint-tidy
lint: lint-rules lint-format lint-headers lint-clang lint-tidy
	@echo "lint: clean"

lint-rules: | setup-lint
	$(PYTHON) tests/lint/rules.py

lint-format: | setup-lint
	clang-format --dry-run --Werror $(SOURCES) $(HEADERS) $(TESTS_C)

lint-headers: | setup-build setup-lint
	@printf '%s\n' $(HEADERS) | xargs -P2 -I{} \
	    $(CC) $(CPPFLAGS) -Itests/unit $(CFLAGS) -fsyntax-only -x c -include {} /dev/null

lint-clang: | setup-build setup-lint
	@printf '%s\n' $(TIDIED) | xargs -P2 -n8 \
	    clang $(CPPFLAGS) -Itests/unit $(CFLAGS) -Wno-missing-prototypes -fsyntax-only

lint-tidy: | setup-build setup-lint
	@printf '%s\n' $(SOURCES) | xargs -P2 -I{} clang-tidy --quiet {} -- $(CPPFLAGS) $(CFLAGS) 2>/dev/null

# --- setup: what each purpose needs from Debian ---

PACKAGES_build    := gcc libc6-dev libevent-dev node-llhttp libcurl4-openssl-dev liblmdb-dev libcjson-dev libssl-dev \
                     libxxhash-dev libglib2.0-dev zlib1g-dev tzdata
PACKAGES_test     := libcmocka-dev python3 python3-pytest python3-pytest-xdist \
                     python3-httpx python3-hypothesis python3-jsonschema curl procps
PACKAGES_lint     := clang clang-format clang-tidy python3 libcmocka-dev
PACKAGES_valgrind := valgrind libcmocka-dev python3 libc6-dbg
PACKAGES_calls    := python3
PACKAGES_register := python3
PACKAGES_invalidate := python3
PACKAGES_bench    := wrk nginx-light haproxy python3
PACKAGES_clients  := valgrind libc6-dbg python3
PACKAGES_budget   := nginx-light haproxy python3
PACKAGES_syscalls := wrk strace python3
PURPOSES          := build test lint valgrind calls register invalidate clients budget bench syscalls

.PHONY: setup $(PURPOSES:%=setup-%)
setup: $(PURPOSES:%=setup-%)

# One dpkg-query where nothing is missing. Other systems than Debian have to see to it themselves.
$(PURPOSES:%=setup-%): setup-%:
	@sh tests/setup.sh $(PACKAGES_$*)

# --- presets: the reads and writes of Copernica's, from the table of its endpoints ---

.PHONY: preset
preset:
	$(PYTHON) tools/preset.py

# --- install ---

PLACE    := $(DESTDIR)$(PREFIX)
install: all
	install -d $(PLACE)/bin $(PLACE)/share/postern/presets $(PLACE)/share/doc/postern $(PLACE)/lib/systemd/system
	install -m 755 $(BUILD)/postern $(PLACE)/bin/postern
	install -m 644 $(wildcard conf/presets/*.json) $(PLACE)/share/postern/presets/
	install -m 644 $(wildcard conf/*.json) $(PLACE)/share/postern/
	sed 's|"\.\./build/sandbox-data"|"/var/lib/postern/sandbox"|' conf/sandbox.json > $(PLACE)/share/postern/sandbox.json
	install -m 644 $(wildcard README.md LICENSE docs/*.md) $(PLACE)/share/doc/postern/
	sed 's|/usr/local|$(PREFIX)|g' conf/postern.service > $(PLACE)/lib/systemd/system/postern.service

clean:
	rm -rf build

# --- bench: what the gate saves and what a hit costs; bench/ says how each is measured ---

.PHONY: calls register bench bench-invalidate bench-clients bench-budget syscalls
calls: all | setup-calls
	POSTERN=$(abspath $(BUILD))/postern $(PYTHON) bench/calls.py --strict

register: all | setup-register
	POSTERN=$(abspath $(BUILD))/postern $(PYTHON) bench/register.py

bench: all $(BUILD)/bench/loop | setup-bench
	POSTERN=$(abspath $(BUILD))/postern $(PYTHON) bench/run.py --loop $(abspath $(BUILD))/bench/loop

bench-invalidate: all $(BUILD)/bench/fill | setup-invalidate
	POSTERN=$(abspath $(BUILD))/postern $(PYTHON) bench/invalidate.py --strict --fill $(abspath $(BUILD))/bench/fill

bench-clients: all $(BUILD)/bench/identify | setup-clients
	POSTERN=$(abspath $(BUILD))/postern $(PYTHON) bench/clients.py --strict --identify $(abspath $(BUILD))/bench/identify

bench-budget: all | setup-budget
	POSTERN=$(abspath $(BUILD))/postern $(PYTHON) bench/budget.py --strict

syscalls: all | setup-syscalls
	POSTERN=$(abspath $(BUILD))/postern $(PYTHON) bench/syscalls.py

$(BUILD)/bench/%: bench/%.c $(BUILD)/proxy/base/bytes.o $(BUILD)/settings | setup-build
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$(VARIANT)) $(filter %.c %.o,$^) -levent -o $@

$(BUILD)/bench/fill $(BUILD)/bench/identify: $(BUILD)/bench/%: bench/%.c $(LIBRARY) $(BUILD)/settings | setup-build
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$(VARIANT)) $< $(LIBRARY) $(LDLIBS) -o $@
