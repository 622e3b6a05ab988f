/* By RFC 3986 §3.2.2 and §3.3, less what an operator's file has no use for. */
#include "config/address.h"

#include <arpa/inet.h>
#include <stdint.h>

static bool is_alphanumeric(char byte)
{
    return (byte >= '0' && byte <= '9') || (bytes_lower(byte) >= 'a' && bytes_lower(byte) <= 'z');
}

bool address_is_word(struct bytes text, const char *signs, size_t limit)
{
    for (size_t i = 0; i < text.length; i++)
        if (!is_alphanumeric(text.data[i]) &&
            (text.data[i] == '\0' || strchr(signs, text.data[i]) == NULL))
            return false;
    return text.length > 0 && text.length <= limit;
}

/* host, host:port, [v6], [v6]:port (RFC 3986 §3.2.2 without userinfo and percent-encoding). */
static bool authority_is_fine(struct bytes authority)
{
    const bool bracket = bytes_starts_with(authority, BYTES("["));
    const size_t close = bytes_index(authority, ']');
    struct bytes host = bytes_slice(authority, 0, bytes_index(authority, ':'));
    uint64_t port;

    if (bracket)
        host = bytes_slice(authority, 0, close + 1);
    const struct bytes rest = bytes_from(authority, host.length);
    if (bracket ? close == authority.length || host.length < 4 ||
                      !address_is_word(bytes_slice(host, 1, host.length - 2), ":.", 64)
                : !address_is_word(host, "._-", 255))
        return false;
    if (rest.length == 0)
        return true;
    return rest.data[0] == ':' && rest.length > 1 && rest.data[1] != '0' &&
           bytes_to_number(bytes_from(rest, 1), 65535, &port) == RESULT_OK;
}

/* "" or "/segment/…", with the characters of RFC 3986 §3.3 but percent-encoding and dot segments.
 */
static bool base_path_is_fine(struct bytes path)
{
    struct bytes rest = bytes_from(path, 1);

    if (path.length == 0)
        return true;
    if (bytes_ends_with(path, BYTES("/")))
        return false; /* one slash at the end was taken off before */
    while (rest.length > 0) {
        const struct bytes segment = bytes_cut(&rest, '/');

        if (!address_is_word(segment, "-._~!$&'()*+,;=:@", SIZE_MAX) ||
            bytes_equal(segment, BYTES(".")) || bytes_equal(segment, BYTES("..")))
            return false;
    }
    return true;
}

bool address_split(struct bytes url, struct address *address)
{
    const struct bytes whole =
        bytes_ends_with(url, BYTES("/")) ? bytes_slice(url, 0, url.length - 1) : url;
    const size_t colon = bytes_find(whole, BYTES("://"));
    const struct bytes rest = bytes_from(whole, colon + 3);

    address->scheme = bytes_slice(whole, 0, colon);
    address->authority = bytes_slice(rest, 0, bytes_index(rest, '/'));
    address->path = bytes_from(rest, address->authority.length);
    return (bytes_equal(address->scheme, BYTES("http")) ||
            bytes_equal(address->scheme, BYTES("https"))) &&
           authority_is_fine(address->authority) && base_path_is_fine(address->path);
}

bool address_is_loopback(struct bytes authority)
{
    const struct bytes host = bytes_slice(authority, 0, bytes_index(authority, ':'));
    char text[INET_ADDRSTRLEN];
    struct in_addr address;

    if (bytes_starts_with(authority, BYTES("[")))
        return bytes_starts_with(authority, BYTES("[::1]"));
    if (bytes_equal_nocase(host, BYTES("localhost")))
        return true;
    if (host.length >= sizeof(text))
        return false;
    memcpy(text, host.data, host.length);
    text[host.length] = '\0';
    return inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}
