-- resty.openssl.version: which library is behind. It is aws-lc, which takes the place of OpenSSL 3.
local NUMBER = 0x30200000

return {
  version_num = NUMBER,
  version_text = "OpenSSL 3.2.0 (compatible; AWS-LC)",
  version = function(kind)
    return kind == nil and "OpenSSL 3.2.0 (compatible; AWS-LC)" or ""
  end,
  info = function() return "" end,
  INFO_DSO_EXTENSION = 1, INFO_CPU_SETTINGS = 1,
  VERSION = 0, CFLAGS = 1, BUILT_ON = 2, PLATFORM = 3, DIR = 4, ENGINES_DIR = 5,
  OPENSSL_3X = true, OPENSSL_3_UP = true, OPENSSL_11 = false, OPENSSL_111 = false,
  OPENSSL_11_OR_LATER = true, OPENSSL_111_OR_LATER = true, OPENSSL_10 = false,
  BORINGSSL = false, BORINGSSL_110 = false,
}
