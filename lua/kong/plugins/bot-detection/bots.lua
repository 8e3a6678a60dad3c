-- How bots name themselves: regular expressions.
--
-- The names are those that the ua-parser project collects (uap-core, Apache License 2.0), without the parts
-- that tell versions, which make no difference here.

local concat = table.concat


-- Any of the words of a text, `~` standing for a space in a word.
local function any_of(words)
  local list = {}
  for word in words:gmatch("%S+") do
    list[#list + 1] = (word:gsub("~", " "))
  end
  return "(?:" .. concat(list, "|") .. ")"
end


-- Followed by a slash and a version.
local VERSIONED = [[
  008 Altresium Argus BaiduMobaider BoardReader DNSGroup DataparkSearch EDI Goodzer Grub INGRID Infohelfer
  LOOQ LinkedInBot Nutch OgScrper PathDefender Peew PostPost Steeler Twitterbot VSE WebCrunch WebZIP
  Y!J-BR[A-Z] YahooSeeker envolk sproose wminer ]]

-- After a slash, and followed by a space or hyphen and a version.
local HYPHENED = [[(?:Ant-)?Nutch [A-z]+[Bb]ot [A-z]+[Ss]pider Axtaris Isara ShopSalad Tailsweep fetchurl]]

-- Libraries, and tools that fetch without someone looking on.
local LIBRARIES = [[
  Apache-HttpClient Go-http-client Google-HTTP-Java-Client HttpMonitor JNLP Python-urllib TLSProber WinHTTP
  aihttp axios http%20client okhttp reqwest scalaj-http unirest-(?:java|python|ruby|nodejs|php|net) ]]

local STORAGE = [[Boto3? JetS3t aws-(?:cli|sdk-(?:cpp|go|java|nodejs|ruby2?|dotnet-(?:\d{1,2}|core))) s3fs]]

-- Wherever they stand.
local ANYWHERE = [[
  123metaspider-Bot 1470\.net~crawler 50\.nu 8bo~Crawler~Bot Aboundex Accoona-[A-z]{1,30}-Agent
  AdsBot-Google AppEngine-Google Ask~Jeeves BUbiNG BingPreview BlogBridge Bloglovin BoardReader~Blog~Indexer
  BoardReader~Favicon~Fetcher BotName\/\$BotVersion BotSeer CRAWL-E CSimpleSpider Catchpoint Checklinks
  Cityreview~Robot Comodo~HTTP\(S\)~Crawler Comodo-Webinspector-Crawler ConveraCrawler CrawlConvera CrawlDaddy
  CrawlFire Daumoa Feed~Seeker~Bot Feedbin Finderbots FollowSite~Bot Genieo Google~SketchUp Googlebot
  HiddenMarket HooWWWer ICC-Crawler IP2[a-z]{1,30}Bot Icarus6j IconSurf IlTrovatore Index~crawler InfuzApp
  Innovazion~Crawler InternetArchive Job~Roboter KaloogaBot KiwiStatus~Spider Kraken Kurzor LEIA LesnikBot
  Lijit~Crawler Linguee~Bot LinkAider LinkedInBot Lite~Bot Llaut MJ12bot Mail\.RU_Bot Mediapartners-Google
  Microsoft~.{0,30}~Bot Mtps~Feed~Aggregation~System Netvibes NewsGator Nutch Nymesis OOZBOT ObjectsSearch
  OgScrper Orbiter PagePeeker PagesInventory PaxleFramework Peeplo~Screenshot~Bot PlantyNet_WebRobot Pompos
  Qwantify Read%20Later Reaper RedCarpet Retreiver Riddler Rival~IQ SEOstats ScollSpider Scrapy Scrubby
  SemrushBot SimplePie SimpleRSS Simpy SiteCat~Webbot SiteCon Slack-ImgProxy Slackbot-LinkExpanding Slurp
  Speedy~Spider Squrl~Java Stringer TheUsefulbot ThumbShotsBot Thumbshots\.ru Tiny~Tiny~RSS Trends~Crawler
  Twitterbot URL2PNG USyd-NLP-Spider Vagabondo VoilaBot Votay~bot WASALive.Bot WIRE WeSEE:[A-z]{1,30}
  Web-sniffer WebThumb WhatWeb WhatsApp WordPress Wotbox Xenu(?:.s|)~Link~Sleuth Xerka~[A-z]{1,30}Bot
  YahooSeeker Yahoo!~Slurp Yandex\w{1,30} YodaoBot YottaaMonitor Yowedo ZeBot_www\.ze\.bz ZooShot ZyBorg
  [Bb]ai[Dd]u[Ss]pider-[A-Za-z]{1,30} [Cc]harlotte altavista archive.{0,30}\.org_bot archiver bingbot
  blitzbot boitho.com-dc clumboot findlinks furlbot gigabot gonzo1 grub-client gsa-crawler heritrix holmes
  htdig ia_archiver ichiro larbin lycos masidani_bot masscan mogimogi mozDex msnbot msrbot netresearch scooter
  searchsight seekbot semanticdiscovery www\.almaden\.ibm\.com yacy
  \b\w{0,30}favicon\w{0,30}\b \bYeti jbot\b ^NING ^voyager ^vortex ^Zao ]]

return {
  any_of [[Pingdom\.com_bot_version_ facebookexternalhit/ Twitterbot/]] .. [[\d+\.\d]],
  [[Google.*/\+/web/snippet]],
  [[\b]] .. any_of(STORAGE) .. [[/\d+\.\d]],
  [[ PTST/\d+(?:\.)?\d+$]],
  "/" .. any_of(HYPHENED) .. [[[ -]\d]],
  [[\b]] .. any_of(VERSIONED) .. [[/\d]],
  [[MSIE \d+\.\d.*; *.*MSIECrawler]],
  any_of(LIBRARIES),
  any_of(ANYWHERE),
  -- Whoever says what it is.
  [[(?:[Aa]rchiver|[Ii]ndexer|[Ss]craper|[Bb]ot|[Ss]pider|[Cc]rawl[a-z]{0,50})[/ ]\d]],
  [[(?i:spider|crawl)|[Ss]crape]],
}
