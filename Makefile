# make · make run · make test · make lint · make asan · make tsan · make bench · make calls · make install
# One file, no recursion over folders; each variant's objects have a folder of their own under build/.

CC       ?= gcc
VARIANT  ?=
BUILD    := build$(VARIANT:%=/%)
PREFIX   ?= /usr/local
PYTHON   := /usr/bin/python3
VERSION  := 0.1.0

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wconversion -Wvla -Wformat=2 -Wstrict-prototypes \
            -Wmissing-prototypes -Wwrite-strings -Wimplicit-fallthrough -Wundef
CFLAGS   := -std=c17 -D_GNU_SOURCE -g -O2 -fno-omit-frame-pointer -fstack-protector-strong -pthread $(WARNINGS)
CPPFLAGS := -Iproxy -isystem /usr/share/include/llhttp -isystem /usr/include/cjson \
            -DPOSTERN_VERSION='"$(VERSION)"' -DPOSTERN_PREFIX='"$(PREFIX)"' -DPOSTERN_CHECKOUT='"$(CURDIR)"'
LDLIBS   := -levent -levent_pthreads -lcurl -llmdb -lcjson -lcrypto -lxxhash -lz -pthread

CFLAGS_asan := -fsanitize=address,undefined -fno-sanitize-recover=all
CFLAGS_tsan := -fsanitize=thread

SOURCES  := $(wildcard proxy/*.c proxy/*/*.c)
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o)
LIBRARY  := $(filter-out $(BUILD)/proxy/main.o,$(OBJECTS))
LLHTTP   := $(patsubst /usr/share/llhttp/%.c,$(BUILD)/llhttp/%.o,$(wildcard /usr/share/llhttp/*.c))
UNITS    := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/*/test_*.c))

.PHONY: all unit
all: $(BUILD)/postern

$(BUILD)/postern: $(OBJECTS) $(LLHTTP)
	$(CC) $(CFLAGS) $(CFLAGS_$(VARIANT)) $^ $(LDLIBS) -o $@

$(BUILD)/llhttp/%.o: /usr/share/llhttp/%.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=c17 -g -O2 -pthread -DLLHTTP_STRICT_MODE=1 -isystem /usr/share/include/llhttp $(CFLAGS_$(VARIANT)) -c $< -o $@

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$(VARIANT)) -MMD -MP -c $< -o $@

# tests/unit/cache/test_freshness.c becomes build/unit/cache/test_freshness
$(BUILD)/unit/%: tests/unit/%.c $(LIBRARY) $(LLHTTP) Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests/unit $(CFLAGS) $(CFLAGS_$(VARIANT)) -MMD -MP $< $(LIBRARY) $(LLHTTP) -lcmocka $(LDLIBS) -o $@

unit: $(UNITS)
	@set -e; for test in $(UNITS); do $$test; done

-include $(OBJECTS:.o=.d) $(UNITS:=.d)
