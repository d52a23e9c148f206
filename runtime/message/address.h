/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* What makes address texts (see <greenroom/address.h>) unforgeable: a secret key, one per life of the runtime.
 *
 * The text is base32 of 20 bytes: 4 that name the life, the id masked with a hash of the tag, and a tag, the id's keyed
 * hash. So the text reveals neither index nor generation, and the same address has the same text all life long. Another
 * life's text is told by its first 4 bytes, a made-up one by its tag (a guess is right once in 2^64).
 *
 * The key is set once, before the first actor lives; printing and parsing may go on meanwhile in other threads (a text that
 * meets half a key is just dead). */
#ifndef GRI_MESSAGE_ADDRESS_H
#define GRI_MESSAGE_ADDRESS_H

#include <greenroom/text.h>

#define GRI_ADDRESS_FORM_BYTES 1200 /* of a text that a form prints, at most */

/* A new life: from 16 secret random bytes (gri_random_bytes), or from the seed of a simulation. Addresses printed before
 * are dead from here on. Before the first call the key is zero: fine for tests, not for a network. */
void gri_address_key_set(const unsigned char key[16]);
void gri_address_key_seed(uint64_t seed);

/* The 32 bits that name this life in every text. */
uint32_t gri_address_incarnation(void);

/* Whether bytes have the form of an address text, whatever they decode to: a name of this form is better refused. */
bool gri_address_is_text(const char *text, size_t bytes);

/* Another form of addresses in JSON text (gr_address_form), for who knows more of addresses than this layer. Any thread. */
struct gr_address_form {
    /* 0 and the address, dead ones included; or why the whole text is refused, with a sentence of at most 239 bytes. */
    int (*parse)(const gr_address_form *form, const char *text, size_t bytes, gr_address *ret_address, char why[240]);
    /* Writes the text, which needs no escapes in JSON, without a NUL; returns its bytes. 0: the opaque text is to be used. */
    size_t (*print)(const gr_address_form *form, gr_address address, char text[GRI_ADDRESS_FORM_BYTES]);
};

#endif
