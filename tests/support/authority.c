/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
#include "support/authority.h"

#include "support/test.h"

#if GRI_TLS

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

enum { FILES_MAX = 32, PATH_BYTES = 128, DAY_S = 24 * 60 * 60 };

static char folder[64];
static char files[FILES_MAX][PATH_BYTES];
static int file_count;
static EVP_PKEY *authority_key;
static X509 *authority_certificate;
static long serial;

static FILE *create(const char *name, const char **ret_path)
{
    CHECK(file_count < FILES_MAX);
    char *path = files[file_count++];
    snprintf(path, PATH_BYTES, "%s/%d-%s.pem", folder, file_count, name);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    *ret_path = path;
    return file;
}

static void extend(X509 *certificate, X509 *issuer, int what, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, what, value);
    CHECK(extension != NULL);
    CHECK_EQ(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* issuer NULL: itself. */
static X509 *certify(EVP_PKEY *key, const char *name, const char *alternative, X509 *issuer, EVP_PKEY *issuer_key,
                     bool expired)
{
    X509 *c = X509_new();
    CHECK(c != NULL);
    CHECK_EQ(X509_set_version(c, X509_VERSION_3), 1);
    CHECK_EQ(ASN1_INTEGER_set(X509_get_serialNumber(c), ++serial), 1);
    CHECK(X509_gmtime_adj(X509_getm_notBefore(c), -2L * DAY_S) != NULL);
    CHECK(X509_gmtime_adj(X509_getm_notAfter(c), expired ? -1L * DAY_S : 1L * DAY_S) != NULL);
    X509_NAME *subject = X509_get_subject_name(c);
    CHECK_EQ(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0), 1);
    CHECK_EQ(X509_set_issuer_name(c, issuer ? X509_get_subject_name(issuer) : subject), 1);
    CHECK_EQ(X509_set_pubkey(c, key), 1);
    if (alternative)
        extend(c, issuer ? issuer : c, NID_subject_alt_name, alternative);
    else
        extend(c, c, NID_basic_constraints, "critical,CA:TRUE");
    CHECK(X509_sign(c, issuer_key ? issuer_key : key, EVP_sha256()) > 0);
    return c;
}

void authority_open(void)
{
    strcpy(folder, "/tmp/gr-authority-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    authority_key = EVP_EC_gen("P-256");
    CHECK(authority_key != NULL);
    authority_certificate = certify(authority_key, "Throw-away authority", NULL, NULL, NULL, false);
    const char *path;
    FILE *file = create("authority", &path);
    CHECK_EQ(PEM_write_X509(file, authority_certificate), 1);
    CHECK_OK(fclose(file));
}

void authority_close(void)
{
    while (file_count > 0) CHECK_OK(unlink(files[--file_count]));
    CHECK_OK(rmdir(folder));
    X509_free(authority_certificate);
    EVP_PKEY_free(authority_key);
}

const char *authority_trust(void)
{
    return files[0];
}

const char *authority_issue(const char *host, unsigned flaws)
{
    char alternative[300];
    const char *path;
    bool unknown = (flaws & AUTHORITY_UNKNOWN) != 0, is_address = strspn(host, "0123456789.") == strlen(host);
    snprintf(alternative, sizeof alternative, "%s:%s", is_address ? "IP" : "DNS", host);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    CHECK(key != NULL);
    X509 *c = certify(key, host, alternative, unknown ? NULL : authority_certificate, unknown ? NULL : authority_key,
                      (flaws & AUTHORITY_EXPIRED) != 0);
    FILE *file = create("host", &path);
    CHECK_EQ(PEM_write_X509(file, c), 1);
    CHECK_EQ(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    CHECK_OK(fclose(file));
    X509_free(c);
    EVP_PKEY_free(key);
    return path;
}

const char *authority_file(const char *name, const char *text)
{
    const char *path;
    FILE *file = create(name, &path);
    CHECK(fputs(text, file) >= 0);
    CHECK_OK(fclose(file));
    return path;
}

#endif
